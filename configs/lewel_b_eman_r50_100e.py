# LEWEL_B R-50 (arXiv:2203.14898), EMAN form, 100 epochs, 8 processes of 128.
# Published: 71.9 linear top-1.
_base_ = [
    '_base_/models/lewel_b_r50.py',
    '_base_/datasets/imagenet_lewel.py',
    '_base_/schedules/lars_coslr_lewel_100e.py',
    '_base_/default_runtime.py',
]
method = dict(name='LEWEL', variant='B (EMAN)')
norm = dict(type='BN')  # of each process alone
model = dict(
    eman=True,
    momentum=0.98,
    backbone=dict(norm_cfg=norm),
    neck=dict(norm_cfg=norm),
)
# the target normalises with averages of rank 0's running statistics
model_wrapper_cfg = dict(
    type='MMDistributedDataParallel', broadcast_buffers=True
)
