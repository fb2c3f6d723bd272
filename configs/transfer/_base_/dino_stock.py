# mmdet's DINO alone: data, schedule and runtime are those of the tasks.
_base_ = 'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'

edit = {
    name: dict(_delete_=True)
    for name in (
        'auto_scale_lr',
        'backend_args',
        'data_root',
        'dataset_type',
        'default_hooks',
        'default_scope',
        'env_cfg',
        'load_from',
        'log_level',
        'log_processor',
        'max_epochs',
        'optim_wrapper',
        'param_scheduler',
        'resume',
        'test_cfg',
        'test_dataloader',
        'test_evaluator',
        'test_pipeline',
        'train_cfg',
        'train_dataloader',
        'train_pipeline',
        'val_cfg',
        'val_dataloader',
        'val_evaluator',
        'vis_backends',
        'visualizer',
    )
}
