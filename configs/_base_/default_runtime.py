# What every pretraining config starts from that is not one of mmpretrain's.
_base_ = './pretraining_hooks.py'
default_scope = 'mmpretrain'
custom_imports = dict(
    imports=[
        'ssl_bench.methods',
        'ssl_bench.data.transforms',
        'ssl_bench.engine',
    ],
    allow_failed_imports=False,
)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # also every 30 minutes (minutes=30) and when a signal ends the run
    checkpoint=dict(type='CheckpointHook', interval=5, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
env_cfg = dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
