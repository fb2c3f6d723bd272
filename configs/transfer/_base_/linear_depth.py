# Linear depth on frozen features as DINOv2's tables have it. What the protocol
# decides is said here, even where it is a default, so that it is a part of the
# settings' digest.
_base_ = ['mmseg::_base_/default_runtime.py', 'seg_runtime.py']

crop = (416, 544)
model = dict(
    type='FrozenDepther',
    maps=dict(
        layers='last',  # or 'four'
        stages=(4,),  # of a network that has stages: our reading
        final_norm=False,
        class_token=True,
        padding='around',  # to the patch; the output is stretched, not cut
    ),
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=crop,
        pad_val=0,
        seg_pad_val=0,  # no depth
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        dilations=(1, 1, 1, 1),
        strides=(1, 2, 2, 2),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        frozen_stages=4,
        style='pytorch',
        contract_dilation=True,
    ),
    decode_head=dict(
        type='LinearDepthHead',
        bins=256,
        lowest=0.001,
        highest=10.0,  # the hub's 80 is KITTI's
        space='linear',
        rule='linear',
        upsample=4,
        norm_cfg=None,
        std=None,  # torch's start
    ),
    loss_depth=dict(
        type='DepthLoss',
        warmup=100,  # calls without the variance
        images=2,  # of a device of the official programs
        gradient='none',
    ),
    test_cfg=dict(flip='image', clamp='map'),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.01
    ),
    clip_grad=dict(max_norm=35),
)
iterations = 38400
schedule = dict(
    rule='dinov2_depth', warmup=12800, begin=0, end=iterations, by_epoch=False
)
param_scheduler = [
    dict(type='OfficialRate', **schedule),
    dict(type='OfficialMomentum', **schedule),
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations
)
val_cfg = None
# The numbers are those of the last checkpoint. With best=True, those of the
# best one on the test set come too, as <metric>_best; the official table has
# such numbers.
checkpoint_choice = dict(best=False, by='AbsRel', every=800)  # iterations
test_cfg = dict(type='TestLoop')
read_depth = dict(type='LoadDepthAnnotation', depth_rescale_factor=1 / 1000)
train_dataloader = dict(
    batch_size=16,  # shared by devices
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='DepthPairs',
        data_root='data/nyu',
        ann_file='nyu_train.txt',
        pipeline=[
            dict(type='LoadImageFromFile'),
            read_depth,
            dict(type='CropNyuBorder'),
            dict(
                type='RandomRotate',  # bilinear, depth nearest
                prob=0.5,
                degree=2.5,
                pad_val=0,
                seg_pad_val=0,
            ),
            dict(type='RandomFlip', prob=0.5),
            dict(type='RandomCrop', crop_size=crop),
            dict(
                type='GammaAndColours',
                prob=0.5,
                gamma=(0.9, 1.1),
                brightness=(0.75, 1.25),
                colour=(0.9, 1.1),
            ),
            dict(type='PackSegInputs'),
        ],
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='DepthPairs',
        data_root='data/nyu',
        ann_file='nyu_test.txt',
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            read_depth,
            dict(type='PackSegInputs'),
        ],
    ),
)
test_evaluator = dict(
    type='DepthErrors', lowest=0.001, highest=10.0, rectangle='eigen'
)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=3200, save_best=None
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)  # our reading: 8 x 2
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.frozen_depther',
        'ssl_bench.toolbox.depth_pairs',
        'ssl_bench.toolbox.depth_transforms',
        'ssl_bench.toolbox.depth_errors',
        'ssl_bench.toolbox.official_rate',
    ],
    allow_failed_imports=False,
)
