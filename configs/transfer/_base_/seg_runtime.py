# Shared by the segmentation tasks: one evaluation at the end.
_base_ = 'mmseg::_base_/default_runtime.py'

custom_imports = dict(
    imports=['ssl_bench.toolbox.hooks'], allow_failed_imports=False
)
randomness = dict(seed=0)
