# ViTDet-B on COCO, 100 epochs. Source: Detectron2's ViTDet project, which
# SiameseIM follows (docs/protocols.md).
TASK = dict(
    id='coco_vitdet_b',
    title='COCO ViTDet-B',
    group='detection',
    order=50,
    toolbox='mmdet',
    dataset='coco',
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
    source="Li et al., ECCV 2022, Detectron2's ViTDet project",
    gpu_hours=1029.2,
    cost_source='0.314 s per image on 64 A100 (Detectron2, ViTDet README)',
    recipe_gpu_hours={'vit_large': 1976.5},
)
_base_ = '_base_/mask_rcnn_vitdet.py'

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=184375, val_interval=184375
)
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 250
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=251
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[163889, 177546],
        gamma=0.1,
        begin=0,
        end=184375,
    ),
]

recipes = dict(
    vit_large={  # Detectron2's ViTDet-L
        'model.backbone.drop_path_rate': 0.4,
        'timm_backbone.drop_path_rate': 0.4,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.8,
    },
    hierarchical={  # Detectron2's Swin-B under ViTDet's detector, 50 epochs
        'timm_backbone.drop_path_rate': 0.4,
        'optim_wrapper.optimizer.lr': 4e-5,
        'optim_wrapper.optimizer.weight_decay': 0.05,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0,
        'train_cfg.max_iters': 92187,
        'train_cfg.val_interval': 92187,
        'param_scheduler.MultiStepLR.milestones': [81944, 88773],
        'param_scheduler.MultiStepLR.end': 92187,
    },
)
