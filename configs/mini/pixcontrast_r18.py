# PixContrast on the embedded images: a ResNet-18 of a quarter of the width,
# 96 pixel views (3x3 positions). For CPUs and minutes, not for numbers.
_base_ = [
    '../pixcontrast_r50_100e.py',
    '../_base_/datasets/mini_imagenet.py',
    '../_base_/schedules/mini_sgd_coslr_20e.py',
]

model = dict(
    backbone=dict(
        depth=18,
        stem_channels=16,
        base_channels=16,
        # paper: the last norm of each block starts at 0, which is too slow
        # for a short run
        zero_init_residual=False,
    ),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        size=96,
        # paper: from 8 % of the area, which here is less than an object
        scale=(0.2, 1.0),
    )
}
