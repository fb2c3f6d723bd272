# in_r on the embedded counterpart of ImageNet-R, 4 of the 8 classes, with the
# model of mini_finetune.
TASK = dict(
    id='mini_in_r',
    title='Mini ImageNet-R',
    group='robustness',
    order=390,
    toolbox='mmpretrain',
    dataset='mini_imagenet_r',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='in_r, scaled down',
    trained_by='mini_finetune',
)
_base_ = './mini_in_a.py'

test_dataloader = dict(dataset=dict(data_root='data/mini/imagenet-r'))
