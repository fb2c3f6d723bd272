# SimCLR (arXiv:2002.05709), R-50, batch 4096, LARS, 800 epochs.
_base_ = [
    'mmpretrain::simclr/simclr_resnet50_16xb256-coslr-800e_in1k.py',
    '_base_/datasets/imagenet_stream.py',
]
method = dict(name='SimCLR')
auto_scale_lr = dict(base_batch_size=4096)
# mmpretrain's file says 16 x 256 in its name and loads 32 per process
train_dataloader = dict(batch_size=256)
