# coco_vitdet_b on the embedded COCO set: the same classes and rules with
# images of 96 pixels, patches of 8, a very small ViT, few proposals and
# iterations.
TASK = dict(
    id='mini_coco_vitdet',
    title='Mini COCO ViTDet',
    group='detection',
    order=260,
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
    source='coco_vitdet_b, scaled down',
)
_base_ = [
    './coco_vitdet_b.py',
    '_base_/mini_detection.py',
    '_base_/mini_coco.py',
]

image = 96
strides = [2, 4, 8, 16]
model = dict(
    data_preprocessor=dict(pad_size_divisor=image),
    backbone=dict(
        arch=dict(
            _delete_=True, global_attn_indexes=[1, 3], **_base_.mini_vit
        ),
        img_size=image,
        table_size=64,
        patch_size=8,
        window_size=5,  # of 12 patches a side: the last windows are padded
    ),
    neck=dict(in_channels=96),
    rpn_head=dict(
        anchor_generator=dict(scales=[5], strides=[*strides, 32])
    ),  # 10 to 160 pixels
    roi_head=dict(
        bbox_roi_extractor=dict(featmap_strides=strides, finest_scale=14),
        mask_roi_extractor=dict(featmap_strides=strides, finest_scale=14),
    ),
)

iterations = 220
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(num_layers=4))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    'train_dataloader.dataset.pipeline.RandomResize': dict(
        scale=(image, image), ratio_range=(0.7, 1.4)
    ),
    'train_dataloader.dataset.pipeline.RandomCrop.crop_size': (image, image),
    'test_dataloader.dataset.pipeline.Resize.scale': (image, image),
    'param_scheduler.MultiStepLR': dict(milestones=[190, 210], end=iterations),
}
recipes = dict(
    _delete_=True,  # a full-size ViT's
    hierarchical={
        'timm_backbone.drop_path_rate': 0.0,
        'optim_wrapper.optimizer.weight_decay': 0.05,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0,
    },
)
