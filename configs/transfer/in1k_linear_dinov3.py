# Linear heads on a frozen backbone as the defaults of DINOv3's
# eval/linear.py train them: in1k_linear_dinov2 with one feature
# (docs/protocols.md).
TASK = dict(
    id='in1k_linear_dinov3',
    title='ImageNet linear, DINOv3',
    group='classification',
    order=103,
    toolbox='mmpretrain',
    dataset='imagenet',
    metrics={
        'top1': dict(toolkit='top1', tolerance=0.5),
        'top5': dict(toolkit='top5', tolerance=0.5),
        'top1_chosen_on_test': dict(
            toolkit='top1_chosen_on_test', tolerance=0.5
        ),
    },
    shown=['top1'],
    source='DINOv3 (Siméoni et al., 2025; eval/linear.py)',
)
_base_ = './in1k_linear_dinov2.py'

model = dict(
    maps=dict(layers='last', stages=(4,)), head=dict(sources=['cls_mean_1'])
)
