# DINO with four maps on COCO, 12 epochs: boxes alone. Source: the paper and
# its program IDEA-Research/DINO (docs/protocols.md). DINO is here the
# detector, not the pretraining method of the same name.
TASK = dict(
    id='coco_dino_4scale',
    title='COCO DINO detector, 4 scales, 12 epochs',
    group='detection',
    order=55,
    toolbox='mmdet',
    dataset='coco',
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
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='Zhang et al., ICLR 2023, DINO',
)
_base_ = [
    '_base_/dino_4scale.py',
    '_base_/coco_instance.py',
    '_base_/det_runtime.py',
]

short_sides = [(1333, short) for short in range(480, 801, 32)]


def resized(scales):
    """A random one of some sizes, antialiased."""
    return dict(
        type='RandomChoiceResize',
        scales=scales,
        keep_ratio=True,
        resize_type='Resize',
        backend='pillow',  # stock's OpenCV is not antialiased
    )


train_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice',
        transforms=[
            [resized(short_sides)],
            [
                # the long side has no limit in the program
                resized([(4200, short) for short in (400, 500, 600)]),
                dict(
                    type='RandomCrop',
                    crop_type='absolute_range',
                    crop_size=(384, 600),
                    allow_negative_crop=True,
                ),
                resized(short_sides),
            ],
        ],
    ),
    dict(type='PackDetInputs'),
]
train_dataloader = dict(
    dataset=dict(
        pipeline=train_pipeline,
        filter_cfg=dict(filter_empty_gt=False, min_size=0),
    )
)
edit = {  # boxes alone
    'test_dataloader.dataset.pipeline.LoadAnnotations.with_mask': False,
    'test_evaluator.metric': ['bbox'],
}

# settings of what timm builds; detrex's DINO on a ViT-B has this drop path
timm_backbone = dict(
    type='TimmBackbone', drop_path_rate=0.1, window_size=0, with_cp=False
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=1e-4),
    clip_grad=dict(max_norm=0.1, norm_type=2),
    paramwise_cfg=dict(
        _delete_=True, custom_keys={'backbone': dict(lr_mult=0.1)}
    ),
)
# 12 epochs of 7,393 batches; the rate falls after the eleventh
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=88716, val_interval=88716
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[81323],
        gamma=0.1,
        begin=0,
        end=88716,
    )
]
custom_hooks = []  # no batch norm trains
