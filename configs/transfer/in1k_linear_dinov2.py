# Linear heads on a frozen backbone as DINOv2's eval/linear.py trains them:
# 13 rates on each of four features, at once (docs/protocols.md).
TASK = dict(
    id='in1k_linear_dinov2',
    title='ImageNet linear, DINOv2',
    group='classification',
    order=102,
    toolbox='mmpretrain',
    dataset='imagenet',
    metrics={
        'top1': dict(toolkit='top1', tolerance=0.5),
        'top5': dict(toolkit='top5', tolerance=0.5),
        # as the program reports it
        'top1_chosen_on_test': dict(
            toolkit='top1_chosen_on_test', tolerance=0.5
        ),
    },
    shown=['top1'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 4; eval/linear.py)',
)
_base_ = '_base_/frozen_classification.py'

model = dict(
    maps=dict(layers='last_four', stages=(1, 2, 3, 4)),
    head=dict(
        sources=['cls_1', 'cls_mean_1', 'cls_4', 'cls_mean_4'],
        rates=[
            1e-5,
            2e-5,
            5e-5,
            1e-4,
            2e-4,
            5e-4,
            1e-3,
            2e-3,
            5e-3,
            1e-2,
            2e-2,
            5e-2,
            1e-1,
        ],
        decays=[0.0],
        start='normal',
        reduction='sum',
    ),
)
test_evaluator = dict(headline='best')
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=4.0, momentum=0.9, weight_decay=0.0)
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=_base_.iterations,
        eta_min=0.0,
        begin=0,
        end=_base_.iterations,
        by_epoch=False,
    )
]
