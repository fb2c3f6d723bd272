# LEWEL_B R-50, EMAN form, 200 epochs. Published: 72.8 linear top-1; COCO Mask
# R-CNN R50-C4 1x 38.5 box, 33.7 mask AP; FPN 1x 41.3, 37.4; 2x 42.2, 38.2.
_base_ = 'lewel_b_eman_r50_100e.py'
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=10,
        end=200,
        offset=1,
        hold='epoch',
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=200)
