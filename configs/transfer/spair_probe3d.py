# Key points of SPair-71k found on the grid of patches: the recall of Probe3D,
# with the input size of DINOv3's tables.
TASK = dict(
    id='spair_probe3d',
    title='SPair-71k recall',
    group='correspondence',
    order=131,
    toolbox='probe',
    dataset='spair71k',
    metrics={'recall@0.1': dict(tolerance=0.5)},
    shown=['recall@0.1'],
    source='DINOv3 (Siméoni et al., 2025, Table 4), evaluation of Probe3D',
)
_base_ = './spair_pck_dift.py'

probe = dict(
    type='recall',
    share=0.1,  # of the longer side of the target's box; at the limit wrong
    maps=dict(padding='none'),  # a side that patches do not divide is refused
)
test_dataloader = dict(dataset=dict(pairs_per_category=200, shuffle_seed=20))
edit = {'test_dataloader.dataset.pipeline.Resize.scale': (1024, 1024)}
recipes = dict(
    # DINOv3's size for patches of 14 pixels: as many as 1024 has of 16
    patch14={'test_dataloader.dataset.pipeline.Resize.scale': (896, 896)},
    # of Probe3D's own program
    probe3d={'test_dataloader.dataset.pipeline.Resize.scale': (800, 800)},
)
