# Linear depth on frozen features, NYUv2, as DINOv3 has it: what differs from
# DINOv2's (docs/protocols.md).
TASK = dict(
    id='nyu_depth_lin_dinov3',
    title='NYUv2 depth, DINOv3',
    group='depth',
    order=117,
    toolbox='mmseg',
    dataset='nyu_depth',
    metrics='nyu_depth_lin1_dinov2',
    shown=['RMSE'],
    source='DINOv3 (Siméoni et al., 2025, Table 3 and App. D.2)',
)
_base_ = '_base_/linear_depth.py'

model = dict(
    maps=dict(final_norm=True, class_token=False),
    decode_head=dict(
        upsample=1,
        norm_cfg=dict(_delete_=True, type='SyncBN', eps=1e-5, momentum=0.1),
        std=0.01,  # bias 0
    ),
    test_cfg=dict(flip='map', clamp='image'),
)
optim_wrapper = dict(
    optimizer=dict(lr=3e-4, betas=(0.9, 0.99), weight_decay=1e-4)
)
edit = {
    'param_scheduler.OfficialRate.rule': 'dinov3_depth',
    'param_scheduler.OfficialMomentum.rule': 'dinov3_depth',
}
recipes = dict(best={'checkpoint_choice.best': True})
