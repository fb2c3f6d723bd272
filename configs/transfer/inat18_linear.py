# A linear layer on frozen R50 features of iNaturalist 2018, 8142 classes:
# places205_linear.py with VISSL's longer schedule.
TASK = dict(
    id='inat18_linear',
    title='iNat18 linear',
    group='classification',
    order=180,
    toolbox='mmpretrain',
    dataset='inat18',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='Goyal et al., ICCV 2019, Sec. 4 (VISSL)',
)
_base_ = './places205_linear.py'

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

recipes = dict(
    _delete_=True,
    openmmlab={
        'model.neck.affine': False,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
    },
    vicreg={
        'optim_wrapper.optimizer.lr': 0.005,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
    },
    average={'model.neck.window': None, 'model.head.in_channels': 2048},
)
