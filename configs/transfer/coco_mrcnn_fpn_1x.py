# Mask R-CNN R50-FPN on COCO, 1x schedule. Source: Detectron2's settings in
# MoCo's and InsLoc's released configs (docs/protocols.md).
TASK = dict(
    id='coco_mrcnn_fpn_1x',
    title='COCO Mask R-CNN FPN, 1x',
    group='detection',
    order=30,
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
    source='Detectron2 configs of MoCo and InsLoc',
    gpu_hours=52.2,
    cost_source="0.261 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = [
    '_base_/mask_rcnn_fpn.py',
    '_base_/coco_instance.py',
    '_base_/det_runtime.py',
    '_base_/adamw.py',
]
train_cfg = dict(  # stock 12 epochs
    type='IterBasedTrainLoop', max_iters=90000, val_interval=90000
)
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 1000
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1001
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[60000, 80000],
        gamma=0.1,
        begin=0,
        end=90000,
    ),
]

naive = 'mmengine.NaiveSyncBN'
recipes = dict(
    # InsLoc's own numbers: pyramid and box head come from pretraining, and one
    # more norm comes after the linear layer
    insloc={
        'model.roi_head.bbox_head.type': 'InsLocBoxHead',
        'transfer_neck_and_head': True,
    },
    # PixPro pins torch 1.4, with which Detectron2 takes its naive SyncBN
    pixpro={
        'model.backbone.norm_cfg.type': naive,
        'model.neck.norm_cfg.type': naive,
        'model.roi_head.bbox_head.norm_cfg.type': naive,
        'model.roi_head.mask_head.norm_cfg.type': naive,
    },
    # the plain head of mmdet, which MoCo's own numbers seem to come from
    two_fc={
        'model.roi_head.bbox_head.type': 'Shared2FCBBoxHead',
        'model.roi_head.bbox_head.norm_cfg': None,
    },
)
