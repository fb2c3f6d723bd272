# ade20k_upernet_vitb on the embedded devkit: the same classes and rules with
# crops of 96 pixels, a very small ViT, thin heads and few iterations.
TASK = dict(
    id='mini_seg_upernet',
    title='Mini UPerNet segmentation',
    group='segmentation',
    order=280,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='ade20k_upernet_vitb, scaled down',
)
_base_ = ['./ade20k_upernet_vitb.py', '_base_/mini.py']

crop_size = (96, 96)
class_weight = [0.2, *[1.0] * 8]  # as in mini_seg_fcn, and for its reason
model = dict(
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size=crop_size)),
    backbone=dict(
        img_size=crop_size,
        patch_size=8,
        embed_dims=96,
        num_layers=4,
        num_heads=3,
        out_indices=[0, 1, 2, 3],
    ),
    neck=dict(embed_dim=96),
    decode_head=dict(
        in_channels=[96, 96, 96, 96],
        channels=24,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight),
    ),
    auxiliary_head=dict(
        in_channels=96,
        channels=24,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight),
    ),
    test_cfg=dict(crop_size=crop_size, stride=(64, 64)),
)

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(reduce_zero_label=False)  # 0 is a class here
train_pipeline[2].update(scale=(160, 128), ratio_range=(0.8, 1.25))
train_pipeline[3].update(crop_size=crop_size)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(160, 128))
test_pipeline[2].update(reduce_zero_label=False)
mini_set = dict(
    _delete_=True,
    type='BaseSegDataset',
    data_root='data/mini/VOCdevkit/VOC2012',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    img_suffix='.jpg',
    seg_map_suffix='.png',
    metainfo=dict(
        classes=('background', *_base_.mini_classes),
        palette=[(0, 0, 0), *_base_.mini_palette],
    ),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline=train_pipeline,
        **mini_set,
    ),
)
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline,
        **mini_set,
    ),
)

iterations = 400
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(num_layers=4))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=20),
    dict(
        type='PolyLR',
        eta_min=0.0,
        power=1.0,
        begin=20,
        end=iterations,
        by_epoch=False,
    ),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=iterations))
