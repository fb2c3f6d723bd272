# ImageNet-R with a fine-tuned ViT-B/16: as in_a.py, another 200 classes.
TASK = dict(
    id='in_r',
    title='ImageNet-R',
    group='robustness',
    order=210,
    toolbox='mmpretrain',
    dataset='imagenet_r',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='SiameseIM (Tao et al., CVPR 2023), after MAE',
    trained_by='in1k_finetune',
)
_base_ = './in_a.py'

test_dataloader = dict(dataset=dict(data_root='data/imagenet-r'))
