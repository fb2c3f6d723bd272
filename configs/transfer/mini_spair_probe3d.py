# spair_probe3d on the embedded pairs.
TASK = dict(
    id='mini_spair_probe3d',
    title='Mini key points, on the grid',
    group='correspondence',
    order=336,
    toolbox='probe',
    dataset='mini_spair',
    metrics={'recall@0.1': dict(tolerance=0.5)},
    shown=['recall@0.1'],
    source='spair_probe3d, scaled down',
)
_base_ = ['./spair_probe3d.py', '_base_/mini.py']

backbone = dict(depth=18, base_channels=16, stem_channels=16)
# stride 8: the last maps have too few places of so small an image
probe = dict(precision='float32', maps=dict(stages=(2,), padding='cut'))
test_dataloader = dict(
    num_workers=0, dataset=dict(data_root='data/mini/SPair-71k')
)
edit = {'test_dataloader.dataset.pipeline.Resize.scale': (128, 128)}
recipes = dict(_delete_=True)
