# in1k_attentive_capi on the embedded image folder: the same heads, of four
# rates and one weight decay, for 100 iterations.
TASK = dict(
    id='mini_attentive',
    title='Mini attentive',
    group='classification',
    order=305,
    toolbox='mmpretrain',
    dataset='mini_imagenet',
    metrics={
        'top1': dict(toolkit='top1', tolerance=0.5),
        'top5': dict(toolkit='top5', tolerance=0.5),
        'top1_chosen_on_test': dict(
            toolkit='top1_chosen_on_test', tolerance=0.5
        ),
    },
    shown=['top1'],
    source='in1k_attentive_capi, scaled down',
)
_base_ = [
    './in1k_attentive_capi.py',
    '_base_/mini_images.py',
    '_base_/mini_imagenet.py',
]

iterations = 100
data_preprocessor = dict(num_classes=8)
model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    head=dict(num_classes=8, rates=[3e-3, 1e-2, 3e-2, 1e-1], decays=[5e-4]),
)
train_dataloader = dict(batch_size=40)
train_cfg = dict(max_iters=iterations, val_interval=iterations)
auto_scale_lr = dict(base_batch_size=40)
optim_wrapper = dict(optimizer=dict(lr=1.0))
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'param_scheduler.OfficialRate': dict(warmup=10, end=iterations),
    'train_dataloader.dataset.pipeline.RandomResizedCrop.scale': 80,
    'held_out_dataloader.num_workers': 0,
    'held_out_dataloader.dataset.pipeline': dict(
        ResizeEdge=dict(scale=96), CenterCrop=dict(crop_size=80)
    ),
    'held_out_dataloader.dataset': dict(
        _keep_=['pipeline'],
        type='CustomDataset',
        data_root='data/mini/imagenet/train',
    ),
}
