# PixPro on the embedded images: a ResNet-18 of a quarter of the width, 112
# pixel views (4x4 positions). For CPUs and minutes, not for numbers.
_base_ = '../pixpro_r50_100e.py'

pretrain_data = 'mini'
epochs = 20

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
)

views = _base_.views
views[0].update(size=112)
views[1].update(size=112)
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    pin_memory=False,
    dataset=dict(
        data_root='data/mini/imagenet/train',
        pipeline=[dict(type='MakeViews', views=views), dict(type='PackViews')],
    ),
)

# SGD's plain steps suit a batch of 64 better than LARS
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.06, momentum=0.9, weight_decay=1e-4),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=2,
        offset=1,
        end=epochs,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=epochs)
default_hooks = dict(logger=dict(interval=10))
auto_scale_lr = dict(base_batch_size=64)
