# voc12_incontext_hbird on the embedded devkit: images of 96 pixels.
TASK = dict(
    id='mini_incontext',
    title='Mini in-context',
    group='segmentation',
    order=333,
    toolbox='probe',
    dataset='mini_seg',
    metrics={'mIoU': dict(tolerance=1.0), 'mIoU_matched': dict(tolerance=1.0)},
    shown=['mIoU'],
    source='voc12_incontext_hbird, scaled down',
)
_base_ = ['./voc12_incontext_hbird.py', '_base_/mini_set.py']

edit_mini = {
    'backbone': dict(depth=18, base_channels=16, stem_channels=16),
    'probe': dict(
        classes=9,
        # three stages, since the last alone has 3 x 3 places of 96 pixels;
        # what larger patches leave is cut off, of images and masks
        maps=dict(stages=(2, 3, 4), padding='cut'),
        precision='float32',
        memory_size=10000,
    ),
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset.dataset': dict(
        _delete_=True,
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline=_base_.memory_views,
        **_base_.mini_set,
    ),
    'train_dataloader.dataset.dataset.pipeline.AreaCrop.size': 96,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.dataset': dict(
        _keep_=['pipeline'],
        ann_file='ImageSets/Segmentation/val.txt',
        **_base_.mini_set,
    ),
    'test_dataloader.dataset.pipeline.Resize.scale': (96, 96),
}
recipes = dict(_delete_=True)
