# Faster R-CNN R50-C4 on VOC07+12. Source: MoCo's Detectron2 config
# pascal_voc_R_50_C4_24k_moco, restated in transfer_protocols, section 2.
_base_ = [
    '_base_/faster_rcnn_c4.py',
    '_base_/voc0712_det.py',
    '_base_/det_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=24000, val_interval=24000
)  # stock 18000
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
# method, metric, published value, tolerance (MoCo's spread over 5 runs x 2)
expected = [
    ('Supervised', 'bbox_AP50', 81.3, 0.4),
    ('Supervised', 'bbox_AP', 53.5, 0.4),
    ('Supervised', 'bbox_AP75', 58.8, 0.8),
    ('MoCo v2 800', 'bbox_AP50', 82.5, 0.4),
    ('MoCo v2 800', 'bbox_AP', 57.4, 0.4),
    ('MoCo v2 800', 'bbox_AP75', 64.0, 0.8),
]

recipes = dict(
    # paper text; the rest as above
    barlowtwins={
        'optim_wrapper.optimizer.lr': 0.1,
        'param_scheduler.0.start_factor': 0.333,
        'param_scheduler.0.end': 1001,
    },
    # as Barlow Twins, and the RPN's losses weigh 0.2 (paper text)
    vicreg={
        'optim_wrapper.optimizer.lr': 0.1,
        'param_scheduler.0.start_factor': 0.333,
        'param_scheduler.0.end': 1001,
        'model.rpn_head.loss_cls.loss_weight': 0.2,
        'model.rpn_head.loss_bbox.loss_weight': 0.2,
    },
)
