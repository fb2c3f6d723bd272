# Linear probe on ImageNet, frozen R50 in evaluation mode: MoCo's recipe.
# --recipe chooses another paper's; mae, mocov3_vit and siamese_im are for a
# ViT.
TASK = dict(
    id='in1k_linear',
    title='ImageNet linear',
    group='classification',
    order=100,
    toolbox='mmpretrain',
    dataset='imagenet',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='MoCo (He et al., CVPR 2020, Sec. 4.1)',
    cost_source='ViT-B 2h20m on 32 V100 (MAE, FINETUNE.md)',
    recipe_gpu_hours={'mae': 74.7, 'siamese_im': 74.7},
)
_base_ = [
    'mmpretrain::mocov2/benchmarks/resnet50_8xb32-linear-steplr-100e_in1k.py',
    '_base_/image_imports.py',
]
model = dict(
    backbone=dict(
        # torchvision's random initialisation; the backbone file is loaded
        # after building. Stock names a file
        init_cfg=[
            dict(type='Kaiming', layer=['Conv2d']),
            dict(type='Constant', val=1, layer=['_BatchNorm']),
        ]
    )
)
val_cfg = None  # one evaluation, at the end; stock every epoch
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=256)

bicubic = dict(backend='pillow', interpolation='bicubic')
vit_recipe = {  # MAE (He et al., CVPR 2022, App. A.1): LARS, batch 16384
    # the released program; stock: up to ten tries, then the centre; bilinear
    'train_dataloader.dataset.pipeline.RandomResizedCrop': dict(
        type='OneTryCrop', **bicubic
    ),
    'test_dataloader.dataset.pipeline.ResizeEdge': bicubic,
    'model.backbone': dict(
        _delete_=True,
        type='VisionTransformer',
        arch='base',
        img_size=224,
        patch_size=16,
        frozen_stages=12,
        out_type='cls_token',
        final_norm=True,
    ),
    'model.neck': dict(
        _delete_=True, type='ClsBatchNormNeck', input_features=768
    ),
    'model.head': dict(
        type='LinearClsHead',
        in_channels=768,
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01),
    ),
    # 0.1 x batch / 256; in the released programs the rate is outside the
    # velocity and the bias is not adapted, unlike in mmpretrain's LARS
    'optim_wrapper.optimizer': dict(
        _delete_=True,
        type='PaperLARS',
        lr=6.4,
        momentum=0.9,
        weight_decay=0.0,
        eps=0.0,
    ),
    'train_cfg.max_epochs': 90,
    'param_scheduler': [
        dict(
            type='LinearLR',
            start_factor=1e-4,
            by_epoch=True,
            begin=0,
            end=10,
            convert_to_iter_based=True,
        ),
        dict(
            type='CosineAnnealingLR',
            T_max=80,
            by_epoch=True,
            begin=10,
            end=90,
            eta_min=0.0,
            convert_to_iter_based=True,
        ),
    ],
    'auto_scale_lr.base_batch_size': 16384,
    'train_dataloader.batch_size': 2048,
}

# Chen et al., ICCV 2021: facebookresearch/moco-v3, main_lincls.py and
# CONFIG.md. Batch 1024, rate 0.1 x batch / 256, cosine per epoch
mocov3_recipe = {
    'optim_wrapper.optimizer.lr': 0.4,
    'train_cfg.max_epochs': 90,
    'param_scheduler': [
        dict(
            type='CosineAnnealingLR', T_max=90, by_epoch=True, begin=0, end=90
        )
    ],
    'auto_scale_lr.base_batch_size': 1024,
    'train_dataloader.batch_size': 128,
}

recipes = dict(
    mae=vit_recipe,
    mocov3=mocov3_recipe,
    mocov3_vit={  # --lr=3: 3 x batch / 256; class token, no batch norm
        **mocov3_recipe,
        'model.backbone': vit_recipe['model.backbone'],
        'model.neck': None,
        'model.head.in_channels': 768,
        'optim_wrapper.optimizer.lr': 12.0,
    },
    # zdaxie/PixPro, main_linear.py and contrast/option.py: the rate of the
    # task, a warm-up from a hundredth of it, cosine per step
    pixpro={
        'param_scheduler': [
            dict(
                type='LinearLR',
                start_factor=0.01,
                by_epoch=True,
                begin=0,
                end=5,
                convert_to_iter_based=True,
            ),
            dict(
                type='CosineAnnealingLR',
                T_max=95,
                by_epoch=True,
                begin=5,
                end=100,
                eta_min=1e-6,
                convert_to_iter_based=True,
            ),
        ]
    },
    siamese_im={
        **vit_recipe,
        # mean of the patch tokens through a new, untrained norm; stock
        # takes the class token through the trained norm
        'model.backbone.out_type': 'avg_featmap',
        'model.backbone.final_norm': False,
    },
    barlowtwins={  # Zbontar et al., ICML 2021, App. A.2: cosine per epoch
        'optim_wrapper.optimizer.lr': 0.3,
        'optim_wrapper.optimizer.weight_decay': 1e-6,
        'param_scheduler': [
            dict(
                type='CosineAnnealingLR',
                T_max=100,
                by_epoch=True,
                begin=0,
                end=100,
            )
        ],
    },
    lewel={  # 50 epochs; no config of mmpretrain has it
        'optim_wrapper.optimizer.lr': 0.4,
        'train_cfg.max_epochs': 50,
        'param_scheduler.MultiStepLR.milestones': [30, 40],
    },
    simsiam={  # Chen and He, CVPR 2021, App. A; batch 4096
        'optim_wrapper.optimizer': dict(
            _delete_=True, type='LARS', lr=1.6, momentum=0.9, weight_decay=0.0
        ),
        'train_cfg.max_epochs': 90,
        'param_scheduler': [
            dict(
                type='CosineAnnealingLR',
                T_max=90,
                by_epoch=True,
                begin=0,
                end=90,
            )
        ],
        'auto_scale_lr.base_batch_size': 4096,
        'train_dataloader.batch_size': 512,
    },
)
