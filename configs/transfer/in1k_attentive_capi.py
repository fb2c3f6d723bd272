# Attentive and linear heads on a frozen backbone as CAPI trains them: ten
# rates and three weight decays for each feature, at once (docs/protocols.md).
TASK = dict(
    id='in1k_attentive_capi',
    title='ImageNet attentive, CAPI',
    group='classification',
    order=104,
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
    source='CAPI (Darcet et al., 2025; eval_classification.py)',
)
_base_ = '_base_/frozen_classification.py'

model = dict(
    head=dict(
        sources=['cls_1', 'mean_1', 'cls_mean_1', 'patches_1'],
        rates=[1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2],
        decays=[5e-4, 1e-3, 5e-2],
        start='truncated',
        reduction='mean',
    )
)
test_evaluator = dict(headline='patches_1')
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=4.0, betas=(0.9, 0.95), weight_decay=0.0)
)
param_scheduler = [
    dict(
        type='OfficialRate',
        rule='capi_probe',
        warmup=1250,
        begin=0,
        end=_base_.iterations,
        by_epoch=False,
    )
]
