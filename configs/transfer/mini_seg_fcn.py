# voc12aug_fcn on the embedded devkit: the same classes and rules with crops
# of 96 pixels, thin heads and few iterations.
TASK = dict(
    id='mini_seg_fcn',
    title='Mini FCN segmentation',
    group='segmentation',
    order=290,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='voc12aug_fcn, scaled down',
)
_base_ = ['./voc12aug_fcn.py', '_base_/mini_segmentation.py']

model = dict(
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    decode_head=dict(in_channels=128, channels=64),
    auxiliary_head=dict(in_channels=64, channels=32),
)
# the embedded devkit has no `aug` part
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))

iterations = 600
optim_wrapper = dict(optimizer=dict(lr=0.05))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'train_dataloader.dataset.pipeline': dict(
        RandomResize=dict(scale=(160, 128), ratio_range=(0.8, 1.25)),
        RandomCrop=dict(crop_size=(96, 96)),
        Pad=dict(size=(96, 96)),
    ),
    'param_scheduler.PolyLR.end': iterations,
}
recipes = dict(_delete_=True)  # their crops and lists are VOC's
