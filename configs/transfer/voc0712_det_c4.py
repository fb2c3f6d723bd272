# Faster R-CNN R50-C4 on VOC07+12. Source: MoCo's Detectron2 config
# pascal_voc_R_50_C4_24k_moco, see docs/protocols.md.
TASK = dict(
    id='voc0712_det_c4',
    title='VOC07+12 detection, C4',
    group='detection',
    order=0,
    toolbox='mmdet',
    dataset='voc0712',
    metrics={
        'bbox_AP': dict(toolkit='voc/AP', tolerance=0.5),
        'bbox_AP50': dict(toolkit='voc/AP50', tolerance=0.5),
        'bbox_AP75': dict(toolkit='voc/AP75', tolerance=1.0),
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='Detectron2 config of MoCo (He et al., CVPR 2020, App. A.1)',
    gpu_hours=28.6,
    cost_source="0.537 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = [
    '_base_/faster_rcnn_c4.py',
    '_base_/voc0712_det.py',
    '_base_/det_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))

train_cfg = dict(  # stock 18000
    type='IterBasedTrainLoop', max_iters=24000, val_interval=24000
)
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 100
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=101
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[18000, 22000],
        gamma=0.1,
        begin=0,
        end=24000,
    ),
]

recipes = dict(
    # paper text; the rest as above
    barlowtwins={
        'optim_wrapper.optimizer.lr': 0.1,
        'param_scheduler.LinearLR.start_factor': 0.333,
        'param_scheduler.LinearLR.end': 1001,
    },
    # as Barlow Twins, with weight 0.2 on the RPN's losses (paper text)
    vicreg={
        'optim_wrapper.optimizer.lr': 0.1,
        'param_scheduler.LinearLR.start_factor': 0.333,
        'param_scheduler.LinearLR.end': 1001,
        'model.rpn_head.loss_cls.loss_weight': 0.2,
        'model.rpn_head.loss_bbox.loss_weight': 0.2,
    },
)
