# BYOL (arXiv:2006.07733), R-50, batch 4096, LARS, 200 epochs. The paper has
# no run of 200 epochs: the settings are those of its 300.
_base_ = 'byol_r50_300e.py'
param_scheduler = [
    dict(type='WarmupCosineLR', warmup=10, end=200, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=200)
