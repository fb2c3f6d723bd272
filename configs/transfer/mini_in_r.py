# in_r on the embedded counterpart of ImageNet-R, 4 of the 8 classes, with what
# mini_finetune left.
_base_ = './mini_finetune.py'

custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.image_sets',
        'ssl_bench.toolbox.robustness',
    ],
    allow_failed_imports=False,
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ClassFolders',
        data_root='data/mini/imagenet-r',
        names=_base_.mini_classes,
        count=4,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='SubsetAccuracy', topk=(1, 5))
expected = []  # nothing published
