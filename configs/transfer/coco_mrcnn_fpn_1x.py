# Mask R-CNN R50-FPN on COCO, 1x schedule. Source: Detectron2's settings in
# MoCo's and InsLoc's released configs (transfer_protocols, section 2).
_base_ = [
    '_base_/mask_rcnn_fpn.py',
    '_base_/coco_instance.py',
    '_base_/det_runtime.py',
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=90000, val_interval=90000
)  # stock 12 epochs
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
# method, metric, published value, tolerance
expected = [
    ('Random init', 'bbox_AP', 32.8, 0.5),
    ('Random init', 'segm_AP', 29.9, 0.5),
    ('Supervised', 'bbox_AP', 39.7, 0.5),
    ('Supervised', 'segm_AP', 35.9, 0.5),
    ('MoCo v2 200', 'bbox_AP', 39.8, 0.5),
    ('MoCo v2 200', 'segm_AP', 36.1, 0.5),
    ('InsLoc 200', 'bbox_AP', 41.4, 0.5),
    ('InsLoc 200', 'segm_AP', 37.1, 0.5),
]

recipes = dict(
    # InsLoc's own rows: pyramid and box head come from pretraining, and one
    # more norm stands after the linear layer
    insloc={
        'model.roi_head.bbox_head.type': 'InsLocBoxHead',
        'transfer_neck_and_head': True,
    },
    # the plain head of mmdet, which MoCo's own numbers seem to come from
    two_fc={
        'model.roi_head.bbox_head.type': 'Shared2FCBBoxHead',
        'model.roi_head.bbox_head.norm_cfg': None,
    },
)
