# Barlow Twins R-50, 1000 epochs: 73.2 linear top-1. 16 GPUs of 128 images.
_base_ = [
    '_base_/models/barlow_twins_r50.py',
    '_base_/datasets/imagenet_byol.py',
    '_base_/schedules/lars_coslr_barlow_twins_1000e.py',
    '_base_/default_runtime.py',
]

method = dict(name='Barlow Twins')
