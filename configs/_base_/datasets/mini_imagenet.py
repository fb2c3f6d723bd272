# The embedded images, for every mini pretraining. List this file after the
# config that it makes small.
edit_data = {
    'train_dataloader.num_workers': 1,
    'train_dataloader.pin_memory': False,
    'train_dataloader.dataset.data_root': 'data/mini/imagenet/train',
    'default_hooks.logger.interval': 10,
}
