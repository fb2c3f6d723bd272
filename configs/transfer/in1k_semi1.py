# Fine-tuning on 1 % of ImageNet's labels, all weights and a new linear layer:
# Barlow Twins' settings. The list is data/imagenet/meta/semi1.txt: SimCLR's or
# LEWEL's as it is downloaded, or ssl-bench data subset's.
TASK = dict(
    id='in1k_semi1',
    title='ImageNet, 1% labels',
    group='classification',
    order=130,
    toolbox='mmpretrain',
    dataset='imagenet_semi1',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='Barlow Twins (Zbontar et al., ICML 2021, App. A)',
)
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/schedules/imagenet_sgd_coslr_100e.py',
    'mmpretrain::_base_/default_runtime.py',
    '_base_/image_imports.py',
]
train_dataloader = dict(
    dataset=dict(split='', data_prefix='train', ann_file='meta/semi1.txt')
)
val_cfg = None  # one evaluation, at the end
val_dataloader = None
val_evaluator = None

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(
    optimizer=dict(lr=0.005, momentum=0.9, weight_decay=0.0),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=100.0))),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=20, by_epoch=True, begin=0, end=20)
]
auto_scale_lr = dict(enable=False, base_batch_size=256)
recipes = dict(
    lewel={  # rate 1e-4, head 1.0
        'model.head.init_cfg': None,  # torch's; stock: normal 0.01
        'train_cfg.max_epochs': 50,
        'optim_wrapper.optimizer.lr': 1e-4,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult': 1e4,
        'param_scheduler': [
            dict(
                type='MultiStepLR',
                by_epoch=True,
                milestones=[30, 40],
                gamma=0.1,
            )
        ],
    },
    # one of OpenMMLab's nine pairs of rate (0.1, 0.01, 0.001) and head (1, 10,
    # 100), of which it reports the best
    openmmlab={
        'optim_wrapper.optimizer.lr': 0.01,
        'optim_wrapper.optimizer.weight_decay': 5e-4,
        'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult': 10.0,
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
