# COCO train2017 to val2017, boxes and masks, read as Detectron2 reads it.
_base_ = 'mmdet::_base_/datasets/coco_instance.py'

train_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    # polygons stay polygons: the targets are cut from them
    dict(
        type='LoadAnnotations', with_bbox=True, with_mask=True, poly2mask=False
    ),
    dict(
        type='RandomChoiceResize',
        # stock: one size, 800
        scales=[(1333, short) for short in range(640, 801, 32)],
        keep_ratio=True,
        resize_type='Resize',
        backend='pillow',  # antialiased; stock's OpenCV is not
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    dict(type='Resize', scale=(1333, 800), keep_ratio=True, backend='pillow'),
    # after Resize: boxes and masks stay in the pixels of the file
    dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='PackDetInputs',
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
        ),
    ),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CocoInstances',  # stock's reader skips and shifts silently
        pipeline=train_pipeline,
        # stock drops images under 32 px
        filter_cfg=dict(filter_empty_gt=True, min_size=0),
    ),
)
test_dataloader = dict(
    dataset=dict(type='CocoInstances', pipeline=test_pipeline)
)
test_evaluator = dict(
    type='ExactCocoMetric',  # stock rounds to 0.1 points
    proposal_nums=(1, 10, 100),  # stock scores 1000 detections in AP50/75
)
val_dataloader = None  # one evaluation, at the end
val_evaluator = None
