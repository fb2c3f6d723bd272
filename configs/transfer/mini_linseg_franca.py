# voc12_linseg_franca on the embedded devkit: the same rules with images of 96
# pixels, a grid of 24 and few epochs.
TASK = dict(
    id='mini_linseg_franca',
    title='Mini linear segmentation, Franca',
    group='segmentation',
    order=296,
    toolbox='mmseg',
    dataset='mini_seg',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='voc12_linseg_franca, scaled down',
)
_base_ = ['./voc12_linseg_franca.py', '_base_/mini_segmentation.py']

small, few = (96, 96), (24, 24)
model = dict(
    maps=dict(stages=(2, 3, 4)),
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    decode_head=dict(map_size=few, label_size=few),
    score_size=few,
)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_steps))
epochs = 4
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
default_hooks = dict(checkpoint=dict(interval=epochs))
edit = {
    'model.auxiliary_head': dict(_delete_=True),
    'train_dataloader.dataset.pipeline.RandomResizedMaskCrop.size': small,
    'test_dataloader.dataset.pipeline.Resize.scale': small,
    'test_evaluator': dict(score_size=few, batch_images=4),
    'param_scheduler.MultiStepLR': dict(milestones=[3], end=epochs),
}
