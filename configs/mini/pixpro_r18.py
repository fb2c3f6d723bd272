# PixPro on the embedded images: a ResNet-18 of a quarter of the width, 112
# pixel views (4x4 positions). For CPUs and minutes, not for numbers.
_base_ = [
    '../pixpro_r50_100e.py',
    '../_base_/datasets/mini_imagenet.py',
    '../_base_/schedules/mini_sgd_coslr_20e.py',
]

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
)
edit = {'train_dataloader.dataset.pipeline.MakeViews.views.*.size': 112}
