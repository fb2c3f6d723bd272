# ade20k_upernet_vitb on the embedded devkit: the same classes and rules with
# crops of 96 pixels, a very small ViT, thin heads and few iterations.
TASK = dict(
    id='mini_seg_upernet',
    title='Mini UPerNet segmentation',
    group='segmentation',
    order=280,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='ade20k_upernet_vitb, scaled down',
)
_base_ = ['./ade20k_upernet_vitb.py', '_base_/mini_segmentation.py']

crop_size = (96, 96)
model = dict(
    data_preprocessor=dict(test_cfg=dict(size=crop_size)),
    backbone=dict(
        img_size=crop_size,
        patch_size=8,
        embed_dims=96,
        num_layers=4,
        num_heads=3,
        out_indices=[0, 1, 2, 3],
    ),
    neck=dict(embed_dim=96),
    decode_head=dict(in_channels=[96, 96, 96, 96], channels=24),
    auxiliary_head=dict(in_channels=96, channels=24),
    test_cfg=dict(crop_size=crop_size, stride=(64, 64)),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))

iterations = 400
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(num_layers=4))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'train_dataloader.dataset.pipeline': dict(
        LoadAnnotations=dict(reduce_zero_label=False),  # 0 is a class here
        RandomResize=dict(scale=(160, 128), ratio_range=(0.8, 1.25)),
        RandomCrop=dict(crop_size=crop_size),
    ),
    'test_dataloader.dataset.pipeline.LoadAnnotations': dict(
        reduce_zero_label=False
    ),
    'param_scheduler.LinearLR.end': 20,
    'param_scheduler.PolyLR': dict(begin=20, end=iterations),
}
