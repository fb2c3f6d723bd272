# SimCLR (arXiv:2002.05709), R-50, batch 4096, LARS, 800 epochs. Neither the
# paper (1000 epochs) nor its program (100 by default) has such a run.
_base_ = 'simclr_r50_200e.py'
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=800, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=800)
