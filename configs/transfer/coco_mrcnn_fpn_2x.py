# Mask R-CNN R50-FPN on COCO, 2x schedule. Source: Detectron2's settings in
# MoCo's and InsLoc's released configs (docs/protocols.md).
TASK = dict(
    id='coco_mrcnn_fpn_2x',
    title='COCO Mask R-CNN FPN, 2x',
    group='detection',
    order=40,
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
    gpu_hours=104.4,
    cost_source="0.261 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = './coco_mrcnn_fpn_1x.py'

train_cfg = dict(max_iters=180000, val_interval=180000)
edit = {
    'param_scheduler.MultiStepLR': dict(
        milestones=[120000, 160000], end=180000
    )
}
