# Key points of SPair-71k found by frozen features, PCK at the images' own
# sizes: the form of DIFT. What the protocol decides is said here, even where
# it is a default. Its input size and maps are for diffusion models; those
# here are our reading (docs/protocols.md).
TASK = dict(
    id='spair_pck_dift',
    title='SPair-71k PCK',
    group='correspondence',
    order=130,
    toolbox='probe',
    dataset='spair71k',
    metrics={
        'PCK@0.1': dict(tolerance=0.5),
        'PCK@0.1_image': dict(tolerance=0.5),
    },
    shown=['PCK@0.1', 'PCK@0.1_image'],
    source='DIFT (Tang et al., NeurIPS 2023), eval_spair.py',
)
_base_ = 'mmpretrain::_base_/default_runtime.py'

backbone = dict(
    type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'
)
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
probe = dict(
    type='pck',
    share=0.1,  # of the longer side of the target's box; at the limit right
    precision='float16',  # of the features on disk
    maps=dict(
        layers='last',
        stages=(4,),  # of a network that has stages
        final_norm=True,
        class_token=False,
        padding='around',
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=5,
    dataset=dict(
        type='SpairImages',
        data_root='data/SPair-71k',
        split='test',
        list_size='large',
        pairs_per_category=None,  # all of them
        shuffle_seed=None,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='Resize',  # squashed
                scale=(768, 768),
                backend='pillow',
                interpolation='bilinear',
            ),
            dict(type='PackInputs'),
        ],
    ),
    sampler=dict(type='DefaultSampler', shuffle=False),
)
custom_imports = dict(
    imports=['ssl_bench.toolbox.pair_sets'], allow_failed_imports=False
)
recipes = dict(
    # as many patches of 14 pixels as 768 has of 16
    patch14={'test_dataloader.dataset.pipeline.Resize.scale': (672, 672)}
)
