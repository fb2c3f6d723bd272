# coco_mrcnn_fpn_1x on the embedded COCO set: the same classes and rules with
# images of 160 pixels, a thin pyramid, few proposals and iterations.
TASK = dict(
    id='mini_coco_mrcnn_fpn',
    title='Mini COCO Mask R-CNN FPN',
    group='detection',
    order=250,
    toolbox='mmdet',
    dataset='mini_coco',
    metrics={
        'bbox_AP': dict(toolkit='coco/bbox_mAP', factor=100.0, tolerance=0.5),
        'bbox_AP50': dict(
            toolkit='coco/bbox_mAP_50', factor=100.0, tolerance=0.5
        ),
        'bbox_AP75': dict(
            toolkit='coco/bbox_mAP_75', factor=100.0, tolerance=1.0
        ),
        'bbox_APs': dict(
            toolkit='coco/bbox_mAP_s', factor=100.0, tolerance=0.5
        ),
        'bbox_APm': dict(
            toolkit='coco/bbox_mAP_m', factor=100.0, tolerance=0.5
        ),
        'bbox_APl': dict(
            toolkit='coco/bbox_mAP_l', factor=100.0, tolerance=0.5
        ),
        'segm_AP': dict(toolkit='coco/segm_mAP', factor=100.0, tolerance=0.5),
        'segm_AP50': dict(
            toolkit='coco/segm_mAP_50', factor=100.0, tolerance=0.5
        ),
        'segm_AP75': dict(
            toolkit='coco/segm_mAP_75', factor=100.0, tolerance=1.0
        ),
        'segm_APs': dict(
            toolkit='coco/segm_mAP_s', factor=100.0, tolerance=0.5
        ),
        'segm_APm': dict(
            toolkit='coco/segm_mAP_m', factor=100.0, tolerance=0.5
        ),
        'segm_APl': dict(
            toolkit='coco/segm_mAP_l', factor=100.0, tolerance=0.5
        ),
    },
    shown=[
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
        'segm_AP',
        'segm_AP50',
        'segm_AP75',
    ],
    source='coco_mrcnn_fpn_1x, scaled down',
)
_base_ = [
    './coco_mrcnn_fpn_1x.py',
    '_base_/mini_detection.py',
    '_base_/mini_coco.py',
]

model = dict(
    backbone=dict(depth=18, base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128]),
    rpn_head=dict(anchor_generator=dict(scales=[3])),  # 12 to 192 pixels
    roi_head=dict(
        bbox_roi_extractor=dict(finest_scale=20),
        mask_roi_extractor=dict(finest_scale=20),
    ),
)

iterations = 450
optim_wrapper = dict(optimizer=dict(lr=0.08))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'train_dataloader.dataset.pipeline.RandomChoiceResize.scales': [
        (160, 96),
        (160, 112),
        (160, 128),
    ],
    'test_dataloader.dataset.pipeline.Resize.scale': (160, 128),
    'param_scheduler.MultiStepLR': dict(milestones=[400, 435], end=iterations),
    'custom_hooks.TrainingPreciseBNHook.num_iters': 10,
}
faster = {
    'optim_wrapper.optimizer.lr': 1e-3,
    'timm_backbone.drop_path_rate': 0.0,
}
recipes = dict(adamw=faster, adamw_vit=faster)
