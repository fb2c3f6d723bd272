# Linear segmentation on frozen features as DINOv2's tables have it. List this
# file after one of a data set. What the protocol decides is said here, even
# where it is a default, so that it is a part of the settings' digest.
_base_ = 'seg_runtime.py'

window = (512, 512)
short_side = (99999999, 512)  # no limit for the long one
model = dict(
    type='FrozenSegmentor',
    maps=dict(
        layers='last',  # or 'four'
        stages=(4,),  # of a network that has stages: our reading
        final_norm=True,
        class_token=False,
        padding='around',  # to the patch; the output is stretched, not cut
    ),
    # after normalisation: with the mean colour, and labels that do not count
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=window,
        pad_val=0,
        seg_pad_val=255,
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
        type='LinearMapHead',
        dropout_ratio=0.0,
        norm_cfg=dict(type='SyncBN', eps=1e-5, momentum=0.1),
        align_corners=False,  # where logits are resized to the labels
        ignore_index=255,
        loss_decode=dict(type='PixelCrossEntropy', divide_by='all'),
    ),
    # of the logits' sums, windows of the crop's size
    test_cfg=dict(mode='slide', crop_size=window, stride=(341, 341)),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-4
    ),
    clip_grad=None,
)
iterations = 40000
param_scheduler = [
    dict(
        type='OfficialRate',
        rule='dinov2_segmentation',
        warmup=1500,
        begin=0,
        end=iterations,
        by_epoch=False,
    )
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations
)
test_cfg = dict(type='TestLoop')
val_cfg = None  # one evaluation, at the end, of the last checkpoint
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='CheckpointHook', by_epoch=False, interval=4000, save_best=None
    ),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 devices x 2
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.frozen_segmentor',
        'ssl_bench.toolbox.official_rate',
    ],
    allow_failed_imports=False,
)
edit_linear = {
    'train_dataloader.batch_size': 16,  # of the head's norm; shared by devices
    'train_dataloader.dataset.pipeline': dict(
        RandomResize=dict(scale=short_side, ratio_range=(0.5, 2.0)),
        RandomCrop=dict(crop_size=window, cat_max_ratio=0.75),
    ),
    'test_dataloader.dataset.pipeline.Resize.scale': short_side,
    'val_dataloader': None,
    'val_evaluator': None,
    # at the labels' own size; classes that are neither in a label nor in a
    # prediction are left out of the mean
    'test_evaluator': dict(
        _delete_=True,
        type='IoUMetric',
        iou_metrics=['mIoU'],
        ignore_index=255,
        nan_to_num=None,
    ),
}
