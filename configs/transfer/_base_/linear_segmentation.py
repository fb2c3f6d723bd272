# Linear segmentation on frozen features as DINOv2's tables have it. List this
# file after one of a data set.
_base_ = 'frozen_segmentor.py'

window = (512, 512)
short_side = (99999999, 512)  # no limit for the long one
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
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 devices x 2
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.frozen_segmentor',
        'ssl_bench.toolbox.official_rate',
    ]
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
