# LEWEL_B (EMAN) on the embedded images: a ResNet-18 of a quarter of the width,
# 96 pixel views (3x3 positions). For CPUs and minutes, not for numbers.
_base_ = [
    '../lewel_b_eman_r50_100e.py',
    '../_base_/datasets/mini_imagenet.py',
    '../_base_/schedules/mini_sgd_coslr_20e.py',
]

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
    predictor_hid_channels=256,
)
edit = {'train_dataloader.dataset.pipeline.MakeViews.views.*.size': 96}
