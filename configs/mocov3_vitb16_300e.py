# MoCo v3 (arXiv:2104.02057), ViT-B/16, batch 4096, 300 epochs: 76.7 linear
# and 83.2 fine-tuned top-1.
_base_ = [
    'mmpretrain::mocov3/mocov3_vit-base-p16_16xb256-amp-coslr-300e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
    '_base_/datasets/byol_views.py',
]
method = dict(name='MoCo v3')
model = dict(type='PaperMoCoV3')
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='MakeViews', views=_base_.views),
            dict(type='PackViews'),
        ]
    )
)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        interpolation='bilinear'
    )
}
