# A segmenter of which a linear layer is trained, by the rules of DINOv2. What
# a protocol decides is said here, even where it is a default, so that it is a
# part of the settings' digest.
_base_ = 'seg_runtime.py'

model = dict(
    type='FrozenSegmentor',
    maps=dict(
        layers='last',  # or 'four', 'last_four'
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
        size=(512, 512),
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
        map_size=None,  # maps enter as they are
        label_size=None,  # logits are resized to the labels
        conv_std=0.01,
        dropout_ratio=0.0,
        norm_cfg=dict(type='SyncBN', eps=1e-5, momentum=0.1),
        align_corners=False,  # where logits are resized to the labels
        ignore_index=255,
        loss_decode=dict(type='PixelCrossEntropy', divide_by='all'),
    ),
    score_size=None,  # that of the image's own label
    # of the logits' sums, windows of the crop's size
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)),
)
test_cfg = dict(type='TestLoop')
val_cfg = None
# The numbers are those of the last checkpoint. With best=True, those of the
# best one on the test set come too, as <metric>_best.
checkpoint_choice = dict(best=False, by='mIoU', every=5000)  # iterations
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
custom_imports = dict(
    imports=['ssl_bench.toolbox.hooks', 'ssl_bench.toolbox.frozen_segmentor'],
    allow_failed_imports=False,
)
