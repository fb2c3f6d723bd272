# In-context segmentation of ADE20K by frozen patches, the evaluation of
# Hummingbird (docs/protocols.md).
TASK = dict(
    id='ade20k_incontext_hbird',
    title='ADE20K in-context',
    group='segmentation',
    order=126,
    toolbox='probe',
    dataset='ade20k',
    metrics={'mIoU': dict(tolerance=1.0), 'mIoU_matched': dict(tolerance=1.0)},
    shown=['mIoU'],
    source='Hummingbird (Balazevic et al., NeurIPS 2023), as in '
    'open-hummingbird-eval',
)
_base_ = [
    'mmseg::_base_/datasets/ade20k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/in_context.py',
]
# 0, what is no object, is a class of the memory that does not count
probe = dict(classes=151, ignore=[0])
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmengine.Epochs',
        epochs=1,
        dataset=dict(
            type='ADE20KDataset',
            data_root='data/ade/ADEChallengeData2016',
            data_prefix=dict(
                img_path='images/training', seg_map_path='annotations/training'
            ),
            pipeline=_base_.memory_views,
        ),
    )
)
recipes = dict(  # other sizes in published use
    side448={
        'train_dataloader.dataset.dataset.pipeline.AreaCrop.size': 448,
        'test_dataloader.dataset.pipeline.Resize.scale': (448, 448),
    },
    side504={
        'train_dataloader.dataset.dataset.pipeline.AreaCrop.size': 504,
        'test_dataloader.dataset.pipeline.Resize.scale': (504, 504),
    },
    side518={
        'train_dataloader.dataset.dataset.pipeline.AreaCrop.size': 518,
        'test_dataloader.dataset.pipeline.Resize.scale': (518, 518),
    },
)
