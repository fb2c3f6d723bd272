# In-context segmentation of VOC12 by frozen patches, the evaluation of
# Hummingbird (docs/protocols.md).
TASK = dict(
    id='voc12_incontext_hbird',
    title='VOC12 in-context',
    group='segmentation',
    order=127,
    toolbox='probe',
    dataset='voc12aug',
    metrics={'mIoU': dict(tolerance=1.0), 'mIoU_matched': dict(tolerance=1.0)},
    shown=['mIoU'],
    source='Hummingbird (Balazevic et al., NeurIPS 2023), as in '
    'open-hummingbird-eval',
)
_base_ = [
    'mmseg::_base_/datasets/pascal_voc12_aug.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/in_context.py',
]
probe = dict(classes=21, ignore=[255])
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmengine.Epochs',
        epochs=1,
        dataset=dict(
            type='ConcatDataset',
            datasets=[
                dict(
                    type='PascalVOCDataset',
                    data_root='data/VOCdevkit/VOC2012',
                    data_prefix=dict(
                        img_path='JPEGImages', seg_map_path=masks
                    ),
                    ann_file=f'ImageSets/Segmentation/{part}.txt',
                    pipeline=_base_.memory_views,
                )
                for part, masks in (
                    ('train', 'SegmentationClass'),
                    ('aug', 'SegmentationClassAug'),
                )
            ],
        ),
    )
)
recipes = dict(  # other sizes in published use
    side448={
        'train_dataloader.dataset.dataset.datasets.*.pipeline': dict(
            AreaCrop=dict(size=448)
        ),
        'test_dataloader.dataset.pipeline.Resize.scale': (448, 448),
    },
    side504={
        'train_dataloader.dataset.dataset.datasets.*.pipeline': dict(
            AreaCrop=dict(size=504)
        ),
        'test_dataloader.dataset.pipeline.Resize.scale': (504, 504),
    },
    side518={
        'train_dataloader.dataset.dataset.datasets.*.pipeline': dict(
            AreaCrop=dict(size=518)
        ),
        'test_dataloader.dataset.pipeline.Resize.scale': (518, 518),
    },
)
