# coco_mrcnn_fpn_1x on the embedded COCO set: the same classes and rules with
# images of 160 pixels, a thin pyramid, few proposals and iterations.
TASK = dict(
    id='mini_coco_mrcnn_fpn',
    title='Mini COCO Mask R-CNN FPN',
    group='detection',
    order=250,
    toolbox='mmdet',
    dataset='mini_coco',
    metrics={
        'bbox_AP': dict(toolkit='coco/bbox_mAP', factor=100.0, tolerance=0.5),
        'bbox_AP50': dict(
            toolkit='coco/bbox_mAP_50', factor=100.0, tolerance=0.5
        ),
        'bbox_AP75': dict(
            toolkit='coco/bbox_mAP_75', factor=100.0, tolerance=1.0
        ),
        'bbox_APs': dict(
            toolkit='coco/bbox_mAP_s', factor=100.0, tolerance=0.5
        ),
        'bbox_APm': dict(
            toolkit='coco/bbox_mAP_m', factor=100.0, tolerance=0.5
        ),
        'bbox_APl': dict(
            toolkit='coco/bbox_mAP_l', factor=100.0, tolerance=0.5
        ),
        'segm_AP': dict(toolkit='coco/segm_mAP', factor=100.0, tolerance=0.5),
        'segm_AP50': dict(
            toolkit='coco/segm_mAP_50', factor=100.0, tolerance=0.5
        ),
        'segm_AP75': dict(
            toolkit='coco/segm_mAP_75', factor=100.0, tolerance=1.0
        ),
        'segm_APs': dict(
            toolkit='coco/segm_mAP_s', factor=100.0, tolerance=0.5
        ),
        'segm_APm': dict(
            toolkit='coco/segm_mAP_m', factor=100.0, tolerance=0.5
        ),
        'segm_APl': dict(
            toolkit='coco/segm_mAP_l', factor=100.0, tolerance=0.5
        ),
    },
    shown=[
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
        'segm_AP',
        'segm_AP50',
        'segm_AP75',
    ],
    source='coco_mrcnn_fpn_1x, scaled down',
)
_base_ = ['./coco_mrcnn_fpn_1x.py', '_base_/mini.py']

model = dict(
    backbone=dict(depth=18, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    rpn_head=dict(
        in_channels=32, feat_channels=32, anchor_generator=dict(scales=[3])
    ),  # 12 to 192 pixels
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32, finest_scale=20),
        bbox_head=dict(
            in_channels=32,
            conv_out_channels=32,
            fc_out_channels=128,
            num_classes=8,
        ),
        mask_roi_extractor=dict(out_channels=32, finest_scale=20),
        mask_head=dict(in_channels=32, conv_out_channels=32, num_classes=8),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=64),
        rcnn=dict(sampler=dict(num=32)),
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
# in so few epochs many small steps learn more than half as many of twice the
# batch
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='data/mini/coco/', metainfo=metainfo, pipeline=train_pipeline
    ),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_root='data/mini/coco/', metainfo=metainfo, pipeline=test_pipeline
    ),
)
test_evaluator = dict(
    ann_file='data/mini/coco/annotations/instances_val2017.json'
)

iterations = 450
optim_wrapper = dict(optimizer=dict(lr=0.08))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=31),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[400, 435],
        gamma=0.1,
        begin=0,
        end=iterations,
    ),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=iterations))
custom_hooks = [dict(type='TrainingPreciseBNHook', num_iters=10)]
