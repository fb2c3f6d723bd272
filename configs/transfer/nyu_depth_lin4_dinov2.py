# nyu_depth_lin1_dinov2 on four maps (docs/protocols.md).
TASK = dict(
    id='nyu_depth_lin4_dinov2',
    title='NYUv2 depth, 4 layers, DINOv2',
    group='depth',
    order=116,
    toolbox='mmseg',
    dataset='nyu_depth',
    metrics={
        'RMSE': dict(
            toolkit='RMSE',
            unit='metres',
            places=3,
            higher_is_better=False,
            tolerance=0.01,
        ),
        'AbsRel': dict(
            toolkit='AbsRel',
            unit='',
            places=3,
            higher_is_better=False,
            tolerance=0.01,
        ),
        'log10': dict(
            toolkit='log10',
            unit='',
            places=3,
            higher_is_better=False,
            tolerance=0.01,
        ),
        'RMSElog': dict(
            toolkit='RMSElog',
            unit='',
            places=3,
            higher_is_better=False,
            tolerance=0.01,
        ),
        'SILog': dict(
            toolkit='SILog', places=3, higher_is_better=False, tolerance=0.3
        ),
        'SqRel': dict(
            toolkit='SqRel',
            unit='metres',
            places=3,
            higher_is_better=False,
            tolerance=0.01,
        ),
        'a1': dict(
            toolkit='a1', unit='', places=3, highest=1.0, tolerance=0.01
        ),
        'a2': dict(
            toolkit='a2', unit='', places=3, highest=1.0, tolerance=0.01
        ),
        'a3': dict(
            toolkit='a3', unit='', places=3, highest=1.0, tolerance=0.01
        ),
    },
    shown=['RMSE'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 11)',
)
_base_ = './nyu_depth_lin1_dinov2.py'

model = dict(maps=dict(layers='four', stages=(1, 2, 3, 4)))
