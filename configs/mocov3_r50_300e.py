# MoCo v3 (arXiv:2104.02057), R-50, batch 4096, LARS, 300 epochs: 72.8 linear
# top-1.
_base_ = 'mocov3_r50_100e.py'
optim_wrapper = dict(optimizer=dict(lr=4.8))
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=300, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=300)
