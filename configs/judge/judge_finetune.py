# `ssl-bench judge` on class folders, fine-tuned: all weights and a new linear
# layer, AdamW with a cosine, crops and flips. The same for every network, so
# that weights of several can be judged together.
TASK = dict(
    id='judge_finetune',
    title='fine-tuned',
    group='classification',
    order=1010,
    toolbox='mmpretrain',
    dataset='imagenet',
    metrics={'top1': dict(toolkit='accuracy/top1', tolerance=0.5)},
    shown=['top1'],
    source="no paper's: ssl-bench judge",
)
_base_ = [
    'mmpretrain::_base_/models/resnet50.py',
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/schedules/imagenet_bs256.py',
    'mmpretrain::_base_/default_runtime.py',
    '../transfer/_base_/image_imports.py',
]
model = dict(head=dict(topk=(1,)))
train_dataloader = dict(batch_size=32, num_workers=0, persistent_workers=False)
test_dataloader = dict(batch_size=64, num_workers=0, persistent_workers=False)
test_evaluator = dict(topk=(1,))
val_cfg = None  # one evaluation, at the end
val_dataloader = None
val_evaluator = None

train_cfg = dict(max_epochs=20)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=20,
        begin=0,
        end=20,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
auto_scale_lr = dict(enable=False, base_batch_size=32)
default_hooks = dict(checkpoint=dict(interval=20, max_keep_ckpts=1))
recipes = dict(
    vit={  # the class token after the last norm, as the frozen part takes it
        'model.backbone': dict(
            _delete_=True,
            type='VisionTransformer',
            arch='base',
            img_size=224,
            patch_size=16,
            out_type='cls_token',
            final_norm=True,
        ),
        'model.neck': None,
        'model.head.in_channels': 768,
    }
)
