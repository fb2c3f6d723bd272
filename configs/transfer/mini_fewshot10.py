# in1k_fewshot1 on the embedded image folder with a very small ViT. One per
# cent of its labels would be one image a class; this takes the ten of
# mini_semi10's list.
TASK = dict(
    id='mini_fewshot10',
    title='Mini 10%, frozen features',
    group='features',
    order=350,
    toolbox='probe',
    dataset='mini_semi10',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='in1k_fewshot1, scaled down',
)
_base_ = [
    './in1k_fewshot1.py',
    '_base_/mini_images.py',
    '_base_/mini_imagenet.py',
]

backbone = dict(
    arch=dict(_delete_=True, **_base_.mini_vit), img_size=80, patch_size=8
)
train_dataloader = dict(
    batch_size=80,
    dataset=dict(
        data_root='data/mini/imagenet',
        data_prefix='train',
        ann_file='meta/semi10.txt',
        metainfo=dict(classes=_base_.mini_classes),
    ),
)
edit = {
    'train_dataloader.dataset.pipeline.ResizeEdge.scale': 96,
    'train_dataloader.dataset.pipeline.CenterCrop.crop_size': 80,
}
recipes = dict(_delete_=True)  # a full-size ViT's
