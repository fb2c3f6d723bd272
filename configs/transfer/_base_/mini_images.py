# What the mini tasks on single images share. List this file after the task
# that it makes small.
_base_ = 'mini.py'

edit_sizes = {
    'train_dataloader.num_workers': 0,
    'test_dataloader.num_workers': 0,
    'test_dataloader.batch_size': 80,
    'test_dataloader.dataset.pipeline.ResizeEdge.scale': 96,
    'test_dataloader.dataset.pipeline.CenterCrop.crop_size': 80,
}
