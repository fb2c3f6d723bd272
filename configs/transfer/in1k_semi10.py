# Fine-tuning on 10 % of ImageNet's labels: LEWEL's settings.
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

# LEWEL's linear layer starts as torch's, the others' from normal 0.01
model = dict(head=dict(init_cfg=None))
normal_head = dict(_delete_=True, type='Normal', layer='Linear', std=0.01)
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
    # Zbontar et al., ICML 2021: the settings of 1 %. The authors say so in
    # issue 14 of facebookresearch/barlowtwins
    barlowtwins={
        'model.head.init_cfg': normal_head,
        'train_cfg.max_epochs': 20,
        'optim_wrapper.optimizer.lr': 0.005,
        'optim_wrapper.optimizer.weight_decay': 0.0,
        'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult': 100.0,
        'param_scheduler': [
            dict(
                type='CosineAnnealingLR',
                T_max=20,
                by_epoch=True,
                begin=0,
                end=20,
            )
        ],
    },
    # one of OpenMMLab's nine pairs, as in in1k_semi1.py
    openmmlab={
        'model.head.init_cfg': normal_head,
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
