# LEWEL_M on the embedded images: a ResNet-18 of a quarter of the width, 112
# pixel views (4x4 positions). For CPUs and minutes, not for numbers.
_base_ = [
    '../lewel_m_r50_200e.py',
    '../_base_/datasets/mini_imagenet.py',
    '../_base_/schedules/mini_sgd_coslr_20e.py',
]

model = dict(
    backbone=dict(depth=18, stem_channels=16, base_channels=16),
    neck=dict(in_channels=128, hid_channels=256, out_channels=64),
    queue_len=1024,  # a multiple of the global batch
    momentum=0.99,  # the queue is 16 steps long
)
edit = {'train_dataloader.dataset.pipeline.MakeViews.views.*.size': 112}
