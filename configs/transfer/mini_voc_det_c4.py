# voc0712_det_c4 on the embedded devkit: the same classes and rules with
# images of 160 pixels, anchors to fit, few proposals and iterations.
TASK = dict(
    id='mini_voc_det_c4',
    title='Mini VOC detection, C4',
    group='detection',
    order=240,
    toolbox='mmdet',
    dataset='mini_voc',
    metrics={
        'bbox_AP': dict(toolkit='voc/AP', tolerance=0.5),
        'bbox_AP50': dict(toolkit='voc/AP50', tolerance=0.5),
        'bbox_AP75': dict(toolkit='voc/AP75', tolerance=1.0),
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='voc0712_det_c4, scaled down',
)
_base_ = ['./voc0712_det_c4.py', '_base_/mini.py']

model = dict(
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[1, 2, 4, 6]),
    ),  # 16 to 96 pixels
    backbone=dict(depth=18, base_channels=16),
    roi_head=dict(
        shared_head=dict(depth=18, base_channels=16),
        bbox_roi_extractor=dict(
            roi_layer=dict(output_size=6), out_channels=64
        ),
        bbox_head=dict(in_channels=128, roi_feat_size=3, num_classes=8),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=64),
        rcnn=dict(sampler=dict(num=16)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=30)
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2].update(scales=[(160, 96), (160, 112), (160, 128)])
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(160, 128))
metainfo = dict(classes=_base_.mini_classes, palette=_base_.mini_palette)
train_sets = _base_.train_dataloader.dataset.datasets
for train_set in train_sets:
    train_set.update(
        data_root='data/mini/VOCdevkit/',
        metainfo=metainfo,
        pipeline=train_pipeline,
    )
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(datasets=train_sets),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='data/mini/VOCdevkit/',
        metainfo=metainfo,
        pipeline=test_pipeline,
    ),
)

iterations = 300
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=31),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[225, 275],
        gamma=0.1,
        begin=0,
        end=iterations,
    ),
]
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(checkpoint=dict(interval=iterations))
custom_hooks = [dict(type='TrainingPreciseBNHook', num_iters=10)]
