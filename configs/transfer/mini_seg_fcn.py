# voc12aug_fcn on the embedded devkit: the same classes and rules with crops
# of 96 pixels, thin heads and few iterations.
TASK = dict(
    id='mini_seg_fcn',
    title='Mini FCN segmentation',
    group='segmentation',
    order=290,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='voc12aug_fcn, scaled down',
)
_base_ = ['./voc12aug_fcn.py', '_base_/mini.py']

crop_size = (96, 96)
# paper: all pixels alike; here three of four are background, and some hundred
# steps can end where all are
class_weight = [0.2, *[1.0] * 8]
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    decode_head=dict(
        in_channels=128,
        channels=64,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight),
    ),
    auxiliary_head=dict(
        in_channels=64,
        channels=32,
        num_classes=9,
        loss_decode=dict(class_weight=class_weight),
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scale=(160, 128), ratio_range=(0.8, 1.25))
train_pipeline[3].update(crop_size=crop_size)
train_pipeline[6].update(size=crop_size)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(160, 128))
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
# in so few epochs many small steps learn more than half as many of twice the
# batch
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(  # the embedded devkit has no `aug` part
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

iterations = 600
optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=1e-4,
        power=0.9,
        begin=0,
        end=iterations,
        by_epoch=False,
    )
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=iterations))
