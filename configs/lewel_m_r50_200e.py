# LEWEL_M R-50 (arXiv:2203.14898), 200 epochs, 8 processes of 32. Published:
# COCO Mask R-CNN R50-FPN 1x 40.0 box, 36.1 mask AP.
# Not released: MoCo v2's settings around LEWEL_B's neck. The 32 queues of
# 65536 keys take 1.1 GB; queue='shared' makes them one.
_base_ = [
    '_base_/datasets/imagenet_lewel_m.py',
    '_base_/schedules/sgd_coslr_200e.py',
    '_base_/default_runtime.py',
]
method = dict(name='LEWEL', variant='M')
model = dict(
    type='LEWEL',
    base='moco',
    backbone=dict(
        type='ResNet',
        depth=50,
        norm_cfg=dict(type='BN'),
        zero_init_residual=False,
    ),
    neck=dict(
        in_channels=2048, hid_channels=2048, out_channels=128, num_heads=4
    ),
    loss_weight=0.5,
    momentum=0.999,
    temperature=0.2,
    queue_len=65536,
    queue='per_map',
)
optim_wrapper = dict(optimizer=dict(nesterov=False))
