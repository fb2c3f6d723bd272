# BYOL (arXiv:2006.07733), R-50, batch 4096, 1000 epochs: 74.3 linear top-1.
# Its rate (0.2 x batch / 256), decay and momentum are not those of 300 epochs.
_base_ = 'byol_r50_300e.py'

model = dict(base_momentum=0.004)  # of the new weights
optim_wrapper = dict(optimizer=dict(lr=3.2, weight_decay=1.5e-6))
param_scheduler = [
    dict(
        type='WarmupCosineLR', warmup=10, end=1000, convert_to_iter_based=True
    )
]
train_cfg = dict(max_epochs=1000)
