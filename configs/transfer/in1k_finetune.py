# Fine-tuning ViT-B/16 on ImageNet as SiameseIM does: MAE's recipe at half its
# rate. mmpretrain's config except what is marked.
TASK = dict(
    id='in1k_finetune',
    title='ImageNet fine-tuning',
    group='classification',
    order=150,
    toolbox='mmpretrain',
    dataset='imagenet',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1', 'top5'],
    source='SiameseIM (Tao et al., CVPR 2023), ViT-B/16',
    gpu_hours=229.9,
    cost_source='7h11m, ViT-L 8h52m, on 32 V100 (MAE, FINETUNE.md)',
    recipe_gpu_hours={'vit_large': 283.7},
)
_base_ = [
    'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py',
    '_base_/image_imports.py',
]

# the backbone file is loaded after building
model = dict(backbone=dict(init_cfg=None))
# SiameseIM: a table of sines and cosines is not trained; stock trains it
fixed_positions = True
# SiameseIM: 2.5e-4 x batch / 256; stock is MAE's 2e-3
optim_wrapper = dict(optimizer=dict(lr=1e-3))
edit = {  # MAE's program: the floor, too, decays with the layers
    'param_scheduler.CosineAnnealingLR.type': 'LayerCosineLR'
}
val_cfg = None  # one evaluation, at the end
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=1024)
recipes = dict(
    mae={
        'optim_wrapper.optimizer.lr': 2e-3,
        'fixed_positions': False,  # MAE's own program trains the table
    },
    vit_large={  # MAE's FINETUNE.md for ViT-L/16; SiameseIM has no script
        'optim_wrapper.optimizer.lr': 4e-3,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.75,
        'model.backbone.drop_path_rate': 0.2,
        'train_cfg.max_epochs': 50,
        'param_scheduler.LayerCosineLR': dict(T_max=45, end=50),
        'fixed_positions': False,
    },
)
