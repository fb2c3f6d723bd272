# Shared by every detection task: counted in iterations, optimised and
# regularised as Detectron2 does (docs/protocols.md, "Detection with a
# ResNet-50"). "stock" below means mmdet's own config.
_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(
    imports=[
        'ssl_bench.layers.naive_sync_bn',
        'ssl_bench.toolbox.detection_heads',
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.lvis',
        'ssl_bench.toolbox.rpn',
        'ssl_bench.toolbox.vitdet',
    ],
    allow_failed_imports=False,
)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.0),  # stock decays norm layers
)
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 devices x 2

val_cfg = None  # one evaluation, at the end
test_cfg = dict(type='TestLoop')

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5000, max_keep_ckpts=2)
)
# Detectron2 recomputes the statistics once, over 200 batches; stock does not
custom_hooks = [dict(type='TrainingPreciseBNHook', num_iters=200)]
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
