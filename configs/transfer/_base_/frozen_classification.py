# Many heads on a frozen backbone, ImageNet, random crops: what the tasks of
# DINOv2 and CAPI share. What the protocol decides is said here, even where it
# is a default, so that it is a part of the settings' digest.
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/default_runtime.py',
]

iterations = 12500  # ten epochs of 1250, batch 1024
held_out = dict(share=0.1, split_seed=42)  # of the training images
model = dict(
    type='FrozenClassifier',
    compute='float32',  # of the backbone; or bfloat16
    maps=dict(
        layers='last',
        stages=(4,),  # of a network that has stages: our reading
        final_norm=True,
        class_token=True,  # where the network has one
        padding='around',  # to the patch, with the mean colour
    ),
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(3,),
        frozen_stages=4,
        norm_eval=True,
        style='pytorch',
        # the backbone file is loaded after building
        init_cfg=[
            dict(type='Kaiming', layer=['Conv2d']),
            dict(type='Constant', val=1, layer=['_BatchNorm']),
        ],
    ),
    head=dict(num_classes=1000),
)
bicubic = dict(backend='pillow', interpolation='bicubic')
crop_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='RandomResizedCrop',
        scale=224,
        crop_ratio_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
        **bicubic,
    ),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
center_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', **bicubic),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=128,
    sampler=dict(
        _delete_=True, type='mmengine.KeptSampler', shuffle=True, **held_out
    ),
    dataset=dict(pipeline=crop_pipeline),
)
held_out_dataloader = dict(
    batch_size=128,
    num_workers=5,
    dataset=dict(
        type='ImageNet',
        data_root='data/imagenet',
        split='train',
        pipeline=center_pipeline,
    ),
    sampler=dict(type='mmengine.HeldOutSampler', **held_out),
)
test_dataloader = dict(batch_size=128, dataset=dict(pipeline=center_pipeline))
test_evaluator = dict(_delete_=True, type='HeadAccuracy')
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations
)
test_cfg = dict(type='TestLoop')
val_cfg = None  # one evaluation, at the end
val_dataloader = None
val_evaluator = None
# the rates of the heads are factors of the optimizer's: batch / 256
optim_wrapper = dict(
    type='OptimWrapper', constructor='HeadRates', clip_grad=None
)
auto_scale_lr = dict(enable=False, base_batch_size=1024)  # 8 devices x 128
default_hooks = dict(
    logger=dict(interval=50, log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=1250, save_best=None),
)
custom_hooks = [dict(type='ChooseHeadHook')]
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.frozen_classifier',
        'ssl_bench.toolbox.head_choice',
        'ssl_bench.toolbox.official_rate',
    ],
    allow_failed_imports=False,
)
