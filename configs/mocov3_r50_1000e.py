# MoCo v3 (arXiv:2104.02057), R-50, batch 4096, LARS, 1000 epochs: 74.6 linear
# top-1.
_base_ = 'mocov3_r50_100e.py'
model = dict(base_momentum=0.004)
optim_wrapper = dict(optimizer=dict(lr=4.8, weight_decay=1.5e-6))
param_scheduler = [
    dict(
        type='WarmupCosineLR', warmup=10, end=1000, convert_to_iter_based=True
    )
]
train_cfg = dict(max_epochs=1000)
