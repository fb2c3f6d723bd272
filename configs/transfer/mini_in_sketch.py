# in_sketch on the embedded counterpart of ImageNet-Sketch, all 8 classes, with
# what mini_finetune left.
TASK = dict(
    id='mini_in_sketch',
    title='Mini ImageNet-Sketch',
    group='robustness',
    order=400,
    toolbox='mmpretrain',
    dataset='mini_imagenet_sketch',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='in_sketch, scaled down',
    trained_by='mini_finetune',
)
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
        data_root='data/mini/imagenet-sketch',
        names=_base_.mini_classes,
        count=8,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='SubsetAccuracy', topk=(1, 5))
