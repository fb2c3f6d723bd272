# Weighted nearest neighbours on frozen, L2-normalised features: Wu et al.,
# CVPR 2018, Sec. 3.4 (vote exp(s / 0.07)), as DINO reports it for several k.
TASK = dict(
    id='in1k_knn',
    title='ImageNet kNN',
    group='features',
    order=110,
    toolbox='probe',
    dataset='imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='Wu et al., CVPR 2018, Sec. 3.4',
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
    type='knn', neighbours=[10, 20, 100, 200], headline=20, temperature=0.07
)
train_dataloader = dict(  # no augmentation
    batch_size=256,
    sampler=dict(shuffle=False),
    dataset=dict(pipeline=_base_.test_pipeline),
)
test_dataloader = dict(batch_size=256)
