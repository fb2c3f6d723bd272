# The embedded image folder in place of ImageNet, read by the task's pipelines.
edit_data = {
    'train_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='CustomDataset',
        data_root='data/mini/imagenet/train',
    ),
    'test_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='CustomDataset',
        data_root='data/mini/imagenet/val',
    ),
}
