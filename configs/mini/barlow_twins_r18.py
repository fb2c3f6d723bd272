# Barlow Twins on the embedded images: a ResNet-18 of a quarter of the width,
# 64 pixel views, 256 features. For CPUs and minutes, not for numbers.
_base_ = '../barlow_twins_r50_1000e.py'

pretrain_data = 'mini'
epochs = 20

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=256),
    head=dict(in_channels=256))

views = _base_.views
views[0].update(size=64)
views[1].update(size=64)
for view in views:  # blur in proportion to the view's 64 of 224 pixels
    view['photometric'][2].update(sigma=(0.1, 0.6))
del view
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(
        data_root='data/mini/imagenet/train',
        pipeline=[
            dict(type='MakeViews', views=views),
            dict(type='PackViews')
        ]))

# SGD's plain steps suit a batch of 64 better than LARS
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=2,
        end=epochs,
        final_factor=0.001,
        convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=epochs)
default_hooks = dict(logger=dict(interval=10))
auto_scale_lr = dict(base_batch_size=64)
