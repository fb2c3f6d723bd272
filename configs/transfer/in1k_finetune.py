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
    }
)
