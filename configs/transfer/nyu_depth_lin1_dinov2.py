# Linear depth on the last map of frozen features, NYUv2, as DINOv2 has it
# (docs/protocols.md).
TASK = dict(
    id='nyu_depth_lin1_dinov2',
    title='NYUv2 depth, 1 layer, DINOv2',
    group='depth',
    order=115,
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
_base_ = '_base_/linear_depth.py'

recipes = dict(
    best={'checkpoint_choice.best': True},
    # of a public copy of the configs; official dumps have 1e-4 and no norm
    lr5e3={'optim_wrapper.optimizer.lr': 5e-3},
    lr5e3_norm={
        'optim_wrapper.optimizer.lr': 5e-3,
        'model.maps.final_norm': True,
    },
)
