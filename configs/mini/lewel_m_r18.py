# LEWEL_M on the embedded images: a ResNet-18 of a quarter of the width, 112
# pixel views (4x4 positions). For CPUs and minutes, not for numbers.
_base_ = '../lewel_m_r50_200e.py'

pretrain_data = 'mini'
epochs = 20

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
    queue_len=1024,  # a multiple of the global batch
    momentum=0.99,
)  # the queue is 16 steps long

views = _base_.views
views[0].update(size=112)
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

# plain SGD as in the recipe, at a rate for a batch of 64
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
