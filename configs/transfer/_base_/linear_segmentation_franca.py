# Linear segmentation on frozen features as NeCo's program and Franca's tables
# have it: what differs from DINOv2's. List this file after one of a data set.
_base_ = 'frozen_segmentor.py'

side = (448, 448)
grid = (100, 100)  # of maps before the convolution, of labels and of scores
epochs = 25
model = dict(
    data_preprocessor=dict(size=side),
    decode_head=dict(
        map_size=grid,
        label_size=grid,
        conv_std=None,  # torch's own start: not stated
        norm_cfg=None,
        loss_decode=dict(divide_by='kept'),
    ),
    score_size=grid,
    test_cfg=dict(_delete_=True, mode='whole'),
)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
    clip_grad=None,
)
param_scheduler = [
    dict(
        type='MultiStepLR',
        milestones=[20],
        gamma=0.1,
        begin=0,
        end=epochs,
        by_epoch=True,
    )
]
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs
)
checkpoint_choice = dict(every=1)  # epochs
default_hooks = dict(
    logger=dict(log_metric_by_epoch=True),
    checkpoint=dict(by_epoch=True, interval=1),
)
auto_scale_lr = dict(enable=False, base_batch_size=128)
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.frozen_segmentor',
        'ssl_bench.toolbox.load_masks',
        'ssl_bench.toolbox.map_iou',
        'ssl_bench.toolbox.mask_crop',
    ]
)
train_steps = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=False),
    dict(
        type='RandomResizedMaskCrop',
        size=side,
        area=(0.8, 1.0),
        ratio=(3 / 4, 4 / 3),
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
# image and label squashed; Pillow's bilinear filter, the nearest pixel
test_steps = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=False),
    dict(type='Resize', scale=side, keep_ratio=False, backend='pillow'),
    dict(type='PackSegInputs'),
]
edit_linear = {
    'log_processor.by_epoch': True,
    'train_dataloader.batch_size': 128,  # shared by devices
    'train_dataloader.drop_last': False,
    'train_dataloader.sampler': dict(
        _delete_=True, type='DefaultSampler', shuffle=True
    ),
    'test_dataloader.batch_size': 1,
    'test_dataloader.dataset.pipeline': test_steps,
    'val_dataloader': None,
    'val_evaluator': None,
    'test_evaluator': dict(
        _delete_=True,
        type='MapIoU',
        variant='all_classes',  # absent ones count 0
        ignore=[255],
        score_size=grid,
        most_batches=512,
        batch_images=128,  # of validation is not stated: that of training
    ),
}
# as the program reports: the best on the test set; how often it is tested is
# not stated
recipes = dict(best={'checkpoint_choice.best': True})
