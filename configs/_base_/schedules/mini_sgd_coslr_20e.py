# In place of a paper's schedule, for mini pretraining: 20 epochs of SGD with
# batch 64, which works better than LARS with so small a batch.
edit_schedule = {
    'optim_wrapper': dict(
        _delete_=True,
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.06, momentum=0.9, weight_decay=1e-4),
    ),
    'param_scheduler': [
        dict(
            type='WarmupCosineLR',
            warmup=2,
            offset=1,
            end=20,
            convert_to_iter_based=True,
        )
    ],
    'train_cfg.max_epochs': 20,
    'train_dataloader.batch_size': 64,
    'auto_scale_lr.base_batch_size': 64,
}
