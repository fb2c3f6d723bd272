# Modules with our own classes that the tasks on single images use.
custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.image_sets',
        'ssl_bench.toolbox.one_try_crop',
        'ssl_bench.toolbox.pool_neck',
        'ssl_bench.toolbox.robustness',
    ],
    allow_failed_imports=False,
)
