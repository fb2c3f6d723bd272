# SimCLR (arXiv:2002.05709), R-50, batch 4096, LARS, 200 epochs. Neither the
# paper (1000 epochs) nor its program (100 by default) has such a run.
_base_ = [
    'mmpretrain::simclr/simclr_resnet50_16xb256-coslr-200e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/simclr_colours.py',
]
method = dict(name='SimCLR')
# released: TensorFlow's initialisation; heads N(0, 0.01)
norm = dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])
model = dict(
    type='PaperSimCLR',
    backbone=dict(
        init_cfg=[
            dict(type='LeCunTruncatedNormal', corrected=True, layer='Conv2d'),
            norm,
        ]
    ),
    neck=dict(init_cfg=[dict(type='Normal', std=0.01, layer='Linear'), norm]),
)
# released: joint norm, rate inside the velocity
optim_wrapper = dict(
    optimizer=dict(type='PaperLARS', trust=0.001, eps=0.0, lr_in_velocity=True)
)
# released: the rate moves at every step
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=200, convert_to_iter_based=True)
]
views = [
    dict(
        size=224,
        scale=(0.08, 1.0),
        interpolation='bicubic',  # released; mmpretrain: bilinear
        flip=0.5,
        repeat=2,
        photometric=_base_.simclr_colours,
    )
]
train_dataloader = dict(
    dataset=dict(
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')]
    )
)
auto_scale_lr = dict(base_batch_size=4096)
