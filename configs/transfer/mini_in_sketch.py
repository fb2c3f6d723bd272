# in_sketch on the embedded counterpart of ImageNet-Sketch, all 8 classes, with
# the model of mini_finetune.
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
_base_ = './mini_in_a.py'

test_dataloader = dict(
    dataset=dict(data_root='data/mini/imagenet-sketch', count=8)
)
