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
_base_ = ['./in1k_fewshot1.py', '_base_/mini.py']

backbone = dict(
    arch=dict(
        _delete_=True,
        embed_dims=96,
        num_layers=4,
        num_heads=3,
        feedforward_channels=384,
    ),
    img_size=80,
    patch_size=8,
)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=96)
test_pipeline[2].update(crop_size=80)
train_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/mini/imagenet',
        data_prefix='train',
        ann_file='meta/semi10.txt',
        metainfo=dict(classes=_base_.mini_classes),
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/mini/imagenet/val',
        pipeline=test_pipeline,
    ),
)
