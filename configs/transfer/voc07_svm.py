# Linear SVMs on frozen features of VOC2007: Goyal et al., ICCV 2019 (VISSL),
# as the OpenMMLab benchmarks run it. Feature: layer4 at 224 pixels averaged
# 6x6 at stride 1 to 2x2, 8192 numbers.
TASK = dict(
    id='voc07_svm',
    title='VOC07 linear SVM',
    group='features',
    order=190,
    toolbox='probe',
    dataset='voc07',
    metrics={'mAP': dict(tolerance=0.5)},
    shown=['mAP'],
    source='Goyal et al., ICCV 2019, Sec. 4.1 (VISSL)',
)
_base_ = 'mmpretrain::_base_/default_runtime.py'

backbone = dict(
    type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'
)
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
image_size = 224  # of the position table, for a ViT
probe = dict(
    type='svm',
    pool='corner_average',
    costs=[1.0, 10.0, 100.0, *(0.5**power for power in range(4, 20))],
    folds=3,
    max_iter=2000,
)
pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    # short side 256, then resized to a square, as the OpenMMLab port does
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow'),
    dict(type='Resize', scale=(224, 224), backend='pillow'),
    dict(type='PackInputs', meta_keys=('img_path', 'gt_label_difficult')),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOC',
        data_root='data/VOCdevkit/VOC2007',
        split='trainval',
        pipeline=pipeline,
    ),
)
test_dataloader = dict(
    batch_size=128,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='VOC',
        data_root='data/VOCdevkit/VOC2007',
        split='test',
        pipeline=pipeline,
    ),
)
recipes = dict(
    # Zbontar et al., ICML 2021, paper text: the global average, 2048 numbers
    # of a ResNet-50, of a centre crop
    barlowtwins={
        'probe.pool': 'global_average',
        'train_dataloader.dataset.pipeline.Resize': dict(
            type='CenterCrop', crop_size=224, _delete_=True
        ),
        'test_dataloader.dataset.pipeline.Resize': dict(
            type='CenterCrop', crop_size=224, _delete_=True
        ),
    }
)
