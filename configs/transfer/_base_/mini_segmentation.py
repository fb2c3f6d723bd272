# What the mini segmentation tasks share: the embedded devkit, nine classes.
_base_ = 'mini_set.py'

nine_classes = dict(
    num_classes=9,
    # paper: equal weights; here three of four pixels are background, and in
    # some hundred steps a net can learn to predict nothing else
    loss_decode=dict(class_weight=[0.2, *[1.0] * 8]),
)
edit_data = {
    'model.data_preprocessor.size': (96, 96),
    'model.decode_head': nine_classes,
    'model.auxiliary_head': nine_classes,
    # in so few epochs, many steps with small batches learn more
    'train_dataloader.batch_size': 4,
    'auto_scale_lr.base_batch_size': 4,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset': dict(
        _delete_=True,
        ann_file='ImageSets/Segmentation/train.txt',
        **_base_.mini_set,
    ),
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.dataset': dict(
        _keep_=['pipeline'],
        ann_file='ImageSets/Segmentation/val.txt',
        **_base_.mini_set,
    ),
    'test_dataloader.dataset.pipeline.Resize.scale': (160, 128),
}
