# Linear probe on ImageNet, frozen R50 in evaluation mode: MoCo's recipe.
# Variants of other papers stand beside it (in1k_linear_<variant>.py).
_base_ = [
    'mmpretrain::mocov2/benchmarks/resnet50_8xb32-linear-steplr-100e_in1k.py'
]
model = dict(backbone=dict(
    init_cfg=None))  # the backbone file is loaded after building
custom_imports = dict(
    imports=['ssl_bench.transfer.hooks'], allow_failed_imports=False)
val_cfg = None  # one evaluation, at the end; stock every epoch
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=256)
# method, metric, published value, tolerance
expected = [('MoCo v2 800', 'top1', 71.1, 0.3)]

recipes = dict(
    barlowtwins={  # Zbontar et al., ICML 2021, App. A.2: cosine per epoch
        'optim_wrapper.optimizer.lr': 0.3,
        'optim_wrapper.optimizer.weight_decay': 1e-6,
        'param_scheduler': [
            dict(type='CosineAnnealingLR', T_max=100, by_epoch=True, begin=0,
                 end=100)
        ],
    },
    lewel={  # 50 epochs; no config of mmpretrain has it
        'optim_wrapper.optimizer.lr': 0.4,
        'train_cfg.max_epochs': 50,
        'param_scheduler.0.milestones': [30, 40],
    },
    simsiam={  # Chen and He, CVPR 2021, App. A; batch 4096
        'optim_wrapper.optimizer': dict(
            _delete_=True, type='LARS', lr=1.6, momentum=0.9,
            weight_decay=0.),
        'train_cfg.max_epochs': 90,
        'param_scheduler': [
            dict(type='CosineAnnealingLR', T_max=90, by_epoch=True, begin=0,
                 end=90)
        ],
        'auto_scale_lr.base_batch_size': 4096,
        'train_dataloader.batch_size': 512,
    })
