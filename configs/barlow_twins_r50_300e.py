# Barlow Twins R-50, 300 epochs: 71.4 linear top-1 (the authors, batch 2048).
_base_ = 'barlow_twins_r50_1000e.py'

param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=10,
        end=300,
        final_factor=0.001,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=300)
