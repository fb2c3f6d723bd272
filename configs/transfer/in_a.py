# ImageNet-A with a fine-tuned ViT-B/16, no further training: the model of
# in1k_finetune, or --classifier. Top-1 among the 200 classes of the set;
# bicubic, short side 256, centre crop 224, as in fine-tuning.
TASK = dict(
    id='in_a',
    title='ImageNet-A',
    group='robustness',
    order=200,
    toolbox='mmpretrain',
    dataset='imagenet_a',
    metrics={
        'top1': dict(toolkit='accuracy/top1', tolerance=0.5),
        'top5': dict(toolkit='accuracy/top5', tolerance=0.5),
    },
    shown=['top1'],
    source='SiameseIM (Tao et al., CVPR 2023), after MAE',
    trained_by='in1k_finetune',
)
_base_ = './in1k_finetune.py'

test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ClassFolders',
        data_root='data/imagenet-a',
        count=200,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='SubsetAccuracy', topk=(1, 5))
