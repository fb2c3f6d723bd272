# nyu_depth_lin1_dinov2 on four maps (docs/protocols.md).
TASK = dict(
    id='nyu_depth_lin4_dinov2',
    title='NYUv2 depth, 4 layers, DINOv2',
    group='depth',
    order=116,
    toolbox='mmseg',
    dataset='nyu_depth',
    metrics='nyu_depth_lin1_dinov2',
    shown=['RMSE'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 11)',
)
_base_ = './nyu_depth_lin1_dinov2.py'

model = dict(maps=dict(layers='four', stages=(1, 2, 3, 4)))
