# A linear layer on frozen R50 features of iNaturalist 2018, 8142 classes:
# places205_linear.py with VISSL's longer schedule.
_base_ = './places205_linear.py'

custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.pool_neck',
        'ssl_bench.toolbox.image_sets',
    ],
    allow_failed_imports=False,
)
data_preprocessor = dict(num_classes=8142)
model = dict(head=dict(num_classes=8142))
inat = dict(_delete_=True, type='INat18', data_root='data/inat18')
train_dataloader = dict(
    dataset=dict(
        ann_file='train2018.json', pipeline=_base_.train_pipeline, **inat
    )
)
test_dataloader = dict(
    dataset=dict(
        ann_file='val2018.json', pipeline=_base_.test_pipeline, **inat
    )
)

train_cfg = dict(max_epochs=84)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[24, 48, 72], gamma=0.1)
]
# method, metric, published value, tolerance
expected = [
    ('Barlow Twins 1000', 'top1', 46.5, 0.5),
    ('Supervised', 'top1', 46.7, 0.5),
]

recipes = dict(
    _delete_=True,
    openmmlab={'optim_wrapper.optimizer.weight_decay': 1e-4, 'expected': []},
    vicreg={
        'optim_wrapper.optimizer.lr': 0.005,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'expected': [('VICReg 1000', 'top1', 47.0, 0.5)],
    },
    average={
        'model.neck.window': None,
        'model.head.in_channels': 2048,
        'expected': [],
    },
)
