# ImageNet-Sketch with a fine-tuned ViT-B/16: as in_a.py, all 1000 classes.
TASK = dict(
    id='in_sketch',
    title='ImageNet-Sketch',
    group='robustness',
    order=220,
    toolbox='mmpretrain',
    dataset='imagenet_sketch',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='SiameseIM (Tao et al., CVPR 2023), after MAE',
    trained_by='in1k_finetune',
)
_base_ = './in_a.py'

test_dataloader = dict(
    dataset=dict(data_root='data/imagenet-sketch', count=1000)
)
