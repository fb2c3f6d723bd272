# in_a on the embedded counterpart of ImageNet-A, 4 of the 8 classes, with the
# model of mini_finetune.
TASK = dict(
    id='mini_in_a',
    title='Mini ImageNet-A',
    group='robustness',
    order=380,
    toolbox='mmpretrain',
    dataset='mini_imagenet_a',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='in_a, scaled down',
    trained_by='mini_finetune',
)
_base_ = './mini_finetune.py'

edit = {
    'test_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='ClassFolders',
        data_root='data/mini/imagenet-a',
        names=_base_.mini_classes,
        count=4,
    )
}
test_evaluator = dict(_delete_=True, type='SubsetAccuracy', topk=(1, 5))
