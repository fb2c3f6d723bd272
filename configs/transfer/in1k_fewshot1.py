# Logistic regression on frozen ViT features of 1 % of ImageNet's labels:
# SiameseIM's few-shot evaluation, after MSN (Assran et al., ECCV 2022). The
# feature is the class token after the last block, without the final norm;
# short side 256 (bilinear), centre crop 224, no augmentation. The list is
# data/imagenet/meta/semi1.txt, as in in1k_semi1.py.
TASK = dict(
    id='in1k_fewshot1',
    title='ImageNet 1%, frozen features',
    group='features',
    order=160,
    toolbox='probe',
    dataset='imagenet_semi1',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='SiameseIM (Tao et al., CVPR 2023), after MSN',
)
_base_ = './in1k_knn.py'

backbone = dict(
    _delete_=True,
    type='VisionTransformer',
    arch='base',
    img_size=224,
    patch_size=16,
    out_type='cls_token',
    final_norm=False,
)
probe = dict(
    _delete_=True,
    type='logistic',
    pool='class_token',
    strength=0.1,  # lambda = 0.1 / N on the mean loss
    max_iter=300,
    tol=1e-3,
)
train_dataloader = dict(
    dataset=dict(
        split='',
        data_prefix='train',
        ann_file='meta/semi1.txt',
        pipeline=_base_.test_pipeline,  # bilinear
    )
)
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
recipes = dict(
    vit_large={'probe.strength': 0.01}  # SiameseIM's script for ViT-L
)
