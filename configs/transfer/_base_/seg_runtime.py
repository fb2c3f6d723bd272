# Shared by the segmentation tasks: one evaluation at the end.
custom_imports = dict(
    imports=['ssl_bench.toolbox.hooks'], allow_failed_imports=False
)
randomness = dict(seed=0)
