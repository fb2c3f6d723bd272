# Fine-tuning on 10 % of ImageNet's labels: LEWEL's settings, since Barlow
# Twins' rates for it were found by a search that its program does not state.
TASK = dict(
    id='in1k_semi10',
    title='ImageNet, 10% labels',
    group='classification',
    order=140,
    toolbox='mmpretrain',
    dataset='imagenet_semi10',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='LEWEL (Huang et al., CVPR 2022)',
)
_base_ = './in1k_semi1.py'

train_dataloader = dict(dataset=dict(ann_file='meta/semi10.txt'))
train_cfg = dict(max_epochs=50)
optim_wrapper = dict(
    optimizer=dict(lr=0.01, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, milestones=[30, 40], gamma=0.1)
]
recipes = dict(
    _delete_=True,  # the rates of in1k_semi1 are for 1 % of the labels
    # one of OpenMMLab's nine pairs, as in in1k_semi1.py
    openmmlab={
        'train_cfg.max_epochs': 20,
        'optim_wrapper.optimizer.weight_decay': 5e-4,
        'model.backbone.norm_cfg': dict(type='SyncBN', requires_grad=True),
        'param_scheduler': [
            dict(
                type='MultiStepLR',
                by_epoch=True,
                milestones=[12, 16],
                gamma=0.2,
            )
        ],
    },
)
