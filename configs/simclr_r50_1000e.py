# SimCLR (arXiv:2002.05709), R-50, batch 4096, LARS, 1000 epochs: 69.3 linear
# top-1.
_base_ = 'simclr_r50_200e.py'

param_scheduler = [
    dict(
        type='WarmupCosineLR', warmup=10, end=1000, convert_to_iter_based=True
    )
]
train_cfg = dict(max_epochs=1000)
