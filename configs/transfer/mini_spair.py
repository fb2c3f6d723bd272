# spair_pck_dift on the embedded pairs, whose points are exact.
TASK = dict(
    id='mini_spair',
    title='Mini key points',
    group='correspondence',
    order=335,
    toolbox='probe',
    dataset='mini_spair',
    metrics={
        'PCK@0.1': dict(tolerance=0.5),
        'PCK@0.1_image': dict(tolerance=0.5),
    },
    shown=['PCK@0.1'],
    source='spair_pck_dift, scaled down',
)
_base_ = ['./spair_pck_dift.py', '_base_/mini.py']

backbone = dict(depth=18, base_channels=16, stem_channels=16)
# stride 8: the last maps have too few places of so small an image
probe = dict(precision='float32', maps=dict(stages=(2,)))
test_dataloader = dict(
    num_workers=0, dataset=dict(data_root='data/mini/SPair-71k')
)
edit = {'test_dataloader.dataset.pipeline.Resize.scale': (128, 128)}
recipes = dict(_delete_=True)
