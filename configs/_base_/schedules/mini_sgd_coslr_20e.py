# Mini pretraining in place of a recipe's schedule: 20 epochs of SGD at batch
# 64. Its plain steps suit so small a batch better than LARS.
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
