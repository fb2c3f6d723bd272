# A linear layer on frozen R50 features of Places205: VISSL's protocol (Goyal
# et al., ICCV 2019), which Barlow Twins and PIRL follow. Feature: layer4
# averaged 6x6 at stride 1 to 2x2, a batch norm of its 2048 channels, 8192
# numbers.
TASK = dict(
    id='places205_linear',
    title='Places205 linear',
    group='classification',
    order=170,
    toolbox='mmpretrain',
    dataset='places205',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='Goyal et al., ICCV 2019, Sec. 4 (VISSL)',
)
_base_ = './in1k_linear.py'

data_preprocessor = dict(num_classes=205)
model = dict(
    neck=dict(_delete_=True, type='NormedPoolNeck', channels=2048, window=6),
    head=dict(num_classes=205, in_channels=8192),
)
places = dict(
    _delete_=True,
    type='Places205',
    data_root='data/places205',
    data_prefix='images256',
)
train_dataloader = dict(
    dataset=dict(
        ann_file='trainvalsplit_places205/train_places205.csv',
        pipeline=_base_.train_pipeline,
        **places,
    )
)
test_dataloader = dict(
    dataset=dict(
        ann_file='trainvalsplit_places205/val_places205.csv',
        pipeline=_base_.test_pipeline,
        **places,
    )
)

train_cfg = dict(max_epochs=14)
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='SGD',
        lr=0.01,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
    ),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[4, 8, 12], gamma=0.1)
]

openmmlab_crop = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='CenterCrop', crop_size=256),
    dict(type='RandomCrop', crop_size=224),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
recipes = dict(
    _delete_=True,  # those of in1k_linear
    openmmlab={
        'model.neck.affine': False,
        'train_dataloader.dataset.pipeline': openmmlab_crop,
        'train_cfg.max_epochs': 28,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'param_scheduler.MultiStepLR.milestones': [7, 14, 21],
    },
    vicreg={  # Bardes et al., ICLR 2022; a rate for 28 epochs
        'train_cfg.max_epochs': 28,
        'optim_wrapper.optimizer.lr': 0.003,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
    },
    average={  # VISSL's schedule on the global average, 2048 numbers
        'model.neck.window': None,
        'model.head.in_channels': 2048,
    },
)
