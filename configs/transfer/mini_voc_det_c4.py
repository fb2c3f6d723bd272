# voc0712_det_c4 on the embedded devkit: the same classes and rules with
# images of 160 pixels, anchors to fit, few proposals and iterations.
TASK = dict(
    id='mini_voc_det_c4',
    title='Mini VOC detection, C4',
    group='detection',
    order=240,
    toolbox='mmdet',
    dataset='mini_voc',
    metrics={
        'bbox_AP': dict(toolkit='voc/AP', tolerance=0.5),
        'bbox_AP50': dict(toolkit='voc/AP50', tolerance=0.5),
        'bbox_AP75': dict(toolkit='voc/AP75', tolerance=1.0),
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='voc0712_det_c4, scaled down',
)
_base_ = ['./voc0712_det_c4.py', '_base_/mini.py', '_base_/mini_detection.py']

model = dict(
    rpn_head=dict(
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[1, 2, 4, 6]),  # 16 to 96 pixels
    ),
    backbone=dict(depth=18, base_channels=16),
    roi_head=dict(
        shared_head=dict(depth=18, base_channels=16),
        bbox_roi_extractor=dict(
            roi_layer=dict(output_size=6), out_channels=64
        ),
        bbox_head=dict(in_channels=128, roi_feat_size=3, num_classes=8),
    ),
    train_cfg=dict(rcnn=dict(sampler=dict(num=16))),
)

mini_set = dict(
    data_root='data/mini/VOCdevkit/',
    metainfo=dict(classes=_base_.mini_classes, palette=_base_.mini_palette),
)
train_dataloader = dict(batch_size=8)
test_dataloader = dict(dataset=mini_set)

iterations = 300
optim_wrapper = dict(optimizer=dict(lr=0.1))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
auto_scale_lr = dict(base_batch_size=8)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'train_dataloader.dataset.datasets.*': dict(
        pipeline=dict(
            RandomChoiceResize=dict(scales=[(160, 96), (160, 112), (160, 128)])
        ),
        **mini_set,
    ),
    'test_dataloader.dataset.pipeline.Resize.scale': (160, 128),
    'param_scheduler.MultiStepLR': dict(milestones=[225, 275], end=iterations),
    'custom_hooks.TrainingPreciseBNHook.num_iters': 10,
}
