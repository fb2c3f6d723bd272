# What the mini probes of patches share: the embedded devkit, nine classes.
_base_ = 'mini_set.py'

edit_mini = {
    'backbone': dict(depth=18, base_channels=16, stem_channels=16),
    'probe': dict(
        classes=9,
        # three stages, since the last alone has 3 x 3 places of 96 pixels;
        # what larger patches leave is cut off, of images and masks
        maps=dict(stages=(2, 3, 4), padding='cut'),
        precision='float32',
    ),
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset': dict(
        _keep_=['pipeline'],
        ann_file='ImageSets/Segmentation/train.txt',
        **_base_.mini_set,
    ),
    'train_dataloader.dataset.pipeline.Resize.scale': (96, 96),
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.dataset': dict(
        _keep_=['pipeline'],
        ann_file='ImageSets/Segmentation/val.txt',
        **_base_.mini_set,
    ),
    'test_dataloader.dataset.pipeline.Resize.scale': (96, 96),
}
