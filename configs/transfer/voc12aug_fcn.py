# FCN R50-D8 on VOC12 + aug as in DenseCL and the OpenMMLab benchmarks
# (docs/protocols.md). mmseg's config except the stem, which has to be the
# one that was pretrained: one 7x7 convolution.
TASK = dict(
    id='voc12aug_fcn',
    title='VOC12+aug FCN',
    group='segmentation',
    order=70,
    toolbox='mmseg',
    dataset='voc12aug',
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
    'mmseg::_base_/datasets/pascal_voc12_aug.py',
    'mmseg::_base_/schedules/schedule_20k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/seg_runtime.py',
]
crop_size = (512, 512)
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,  # the backbone file is loaded after building
    backbone=dict(
        type='ResNet'  # stock ResNetV1c: three 3x3 convolutions
    ),
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21),
)
val_cfg = None  # one evaluation, at the end; stock every 2000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 4 devices x 4

moco_pipeline = [  # no distorted colours, no limit on a class's share
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomScale', ratio_range=(0.5, 2.0)),  # of its own size
    dict(type='RandomCrop', crop_size=(513, 513)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Pad', size=(513, 513)),
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
        'model.data_preprocessor.size': (513, 513),
        'train_dataloader.dataset.datasets.*.pipeline': moco_pipeline,
        # the whole image at its own size
        'test_dataloader.dataset.pipeline.Resize': dict(
            scale=None, scale_factor=1.0
        ),
        'optim_wrapper.optimizer.lr': 0.003,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'train_cfg.max_iters': 30000,
        'param_scheduler': [
            dict(
                type='MultiStepLR',
                by_epoch=False,
                milestones=[21000, 27000],
                gamma=0.1,
                begin=0,
                end=30000,
            )
        ],
        'auto_scale_lr.base_batch_size': 16,
    }
)
