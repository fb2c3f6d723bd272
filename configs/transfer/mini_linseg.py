# voc12_linseg_dinov2 on the embedded devkit: the same classes and rules with
# crops of 96 pixels, few iterations, and four layers: the last map of a
# network with stages has 3 x 3 places of such a crop.
TASK = dict(
    id='mini_linseg',
    title='Mini linear segmentation',
    group='segmentation',
    order=295,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='voc12_linseg_dinov2, scaled down',
)
_base_ = ['./voc12_linseg_dinov2.py', '_base_/mini_segmentation.py']

model = dict(
    maps=dict(stages=(2, 3, 4)),
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    test_cfg=dict(crop_size=(96, 96), stride=(64, 64)),
)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
iterations = 300
optim_wrapper = dict(optimizer=dict(lr=1e-2))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'model.auxiliary_head': dict(_delete_=True),
    'model.decode_head.loss_decode': dict(
        _delete_=True,
        type='PixelCrossEntropy',
        divide_by='all',
        class_weight=[0.2, *[1.0] * 8],  # as in the other mini tasks
    ),
    'train_dataloader.dataset.pipeline': dict(
        RandomResize=dict(scale=(160, 128), ratio_range=(0.8, 1.25)),
        RandomCrop=dict(crop_size=(96, 96)),
    ),
    'param_scheduler.OfficialRate': dict(warmup=20, end=iterations),
}
