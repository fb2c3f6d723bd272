# FCN R50-D8 on Cityscapes (docs/protocols.md). mmseg's config except the
# stem, as in voc12aug_fcn.py.
TASK = dict(
    id='cityscapes_fcn',
    title='Cityscapes FCN',
    group='segmentation',
    order=80,
    toolbox='mmseg',
    dataset='cityscapes',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DenseCL and OpenMMLab benchmarks, mmseg FCN-D8',
)
_base_ = [
    'mmseg::_base_/models/fcn_r50-d8.py',
    'mmseg::_base_/datasets/cityscapes_769x769.py',
    'mmseg::_base_/schedules/schedule_40k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/seg_runtime.py',
]
crop_size = (769, 769)
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,  # the backbone file is loaded after building
    backbone=dict(
        type='ResNet'  # stock ResNetV1c: three 3x3 convolutions
    ),
    decode_head=dict(align_corners=True),
    auxiliary_head=dict(align_corners=True),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(513, 513)),
)
val_cfg = None  # one evaluation, at the end; stock every 4000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=8)  # 4 devices x 2

moco_pipeline = [  # no distorted colours, no limit on a class's share
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomScale', ratio_range=(0.5, 2.0)),  # of its own size
    dict(type='RandomCrop', crop_size=(769, 769)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
recipes = dict(
    # MoCo's paper: stride 16, head of two 3x3 convolutions 256
    # wide with dilation 6, no auxiliary head
    moco={
        'model.backbone.dilations': (1, 1, 1, 2),
        'model.backbone.strides': (1, 2, 2, 1),
        # stock halves the dilation of a stage's first block
        'model.backbone.contract_dilation': False,
        'model.decode_head.dilation': 6,
        'model.decode_head.channels': 256,
        'model.decode_head.concat_input': False,
        'model.auxiliary_head': None,
        'model.test_cfg.mode': 'whole',
        'train_dataloader.dataset.pipeline': moco_pipeline,
        'test_dataloader.dataset.pipeline.Resize': dict(
            scale=None, scale_factor=1.0
        ),
        'optim_wrapper.optimizer.lr': 0.01,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'train_cfg.max_iters': 90000,
        'param_scheduler': [
            dict(
                type='MultiStepLR',
                by_epoch=False,
                milestones=[63000, 81000],
                gamma=0.1,
                begin=0,
                end=90000,
            )
        ],
        'auto_scale_lr.base_batch_size': 16,
    }
)
