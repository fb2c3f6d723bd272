# Weighted nearest neighbours on frozen, L2-normalised features: Wu et al.,
# CVPR 2018, Sec. 3.4 (vote exp(s / 0.07)), as DINO's eval_knn.py does it:
# several k, bicubic, the class token of a ViT after its final norm.
TASK = dict(
    id='in1k_knn',
    title='ImageNet kNN',
    group='features',
    order=110,
    toolbox='probe',
    dataset='imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='Wu et al., CVPR 2018, Sec. 3.4, as in DINO (eval_knn.py)',
)
_base_ = [
    'mmpretrain::_base_/datasets/imagenet_bs32_pil_resize.py',
    'mmpretrain::_base_/default_runtime.py',
]
backbone = dict(
    type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'
)
image_size = 224  # of the position table, for a ViT
probe = dict(
    type='knn',
    vit_pool='class_token',
    precision='float16',  # of the features on disk: 5.2 GB
    neighbours=[10, 20, 100, 200],
    headline=20,
    temperature=0.07,
)
knn_pipeline = [  # no augmentation
    dict(type='LoadImageFromFile'),
    dict(
        type='ResizeEdge',
        scale=256,
        edge='short',
        backend='pillow',
        interpolation='bicubic',
    ),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs'),
]
train_dataloader = dict(
    batch_size=256,
    sampler=dict(shuffle=False),
    dataset=dict(pipeline=knn_pipeline),
)
test_dataloader = dict(batch_size=256, dataset=dict(pipeline=knn_pipeline))
