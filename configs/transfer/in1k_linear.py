# Linear probe on ImageNet, frozen R50 in evaluation mode: MoCo's recipe.
# Variants of other papers stand beside it (in1k_linear_<variant>.py).
_base_ = [
    'mmpretrain::mocov2/benchmarks/resnet50_8xb32-linear-steplr-100e_in1k.py'
]
model = dict(backbone=dict(
    init_cfg=None))  # the backbone file is loaded after building
custom_imports = dict(
    imports=['ssl_bench.transfer.hooks'], allow_failed_imports=False)
val_cfg = None  # one evaluation, at the end; stock every epoch
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=256)
# method, metric, published value, tolerance
expected = [('MoCo v2 800', 'top1', 71.1, 0.3)]
