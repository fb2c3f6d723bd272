# LEWEL_B R-50 (arXiv:2203.14898), SyncBN form, 400 epochs, 8 processes of
# 512. Published: 73.8 linear top-1; COCO Mask R-CNN R50-FPN 1x 41.9 box, 37.9
# mask AP; 2x 43.4, 39.1.
_base_ = [
    '_base_/models/lewel_b_r50.py',
    '_base_/datasets/imagenet_lewel.py',
    '_base_/schedules/lars_coslr_lewel_100e.py',
    '_base_/default_runtime.py',
]
method = dict(name='LEWEL', variant='B (SyncBN)')
train_dataloader = dict(batch_size=512)
optim_wrapper = dict(
    optimizer=dict(lr=7.2),
    # in this form the heads' norm scales are decayed and adapted
    paramwise_cfg=dict(custom_keys={'norm1.weight': dict(lars_exclude=False)}),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=10,
        end=400,
        offset=1,
        hold='epoch',
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=400)
auto_scale_lr = dict(base_batch_size=4096)
