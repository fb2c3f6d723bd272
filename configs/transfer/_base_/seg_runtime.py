# What the segmentation tasks share.
custom_imports = dict(
    imports=['ssl_bench.toolbox.hooks', 'ssl_bench.toolbox.random_scale'],
    allow_failed_imports=False,
)
randomness = dict(seed=0)
