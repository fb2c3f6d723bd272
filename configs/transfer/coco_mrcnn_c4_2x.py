# Mask R-CNN R50-C4 on COCO, 2x schedule. Source: Detectron2's settings in
# MoCo's and InsLoc's released configs (transfer_protocols, section 2).
_base_ = [
    '_base_/mask_rcnn_c4.py',
    '_base_/coco_instance.py',
    '_base_/det_runtime.py',
]
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=180000, val_interval=180000
)  # stock 24 epochs
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 1000
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1001
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[120000, 160000],
        gamma=0.1,
        begin=0,
        end=180000,
    ),
]
# method, metric, published value, tolerance
expected = [
    ('MoCo v2 200', 'bbox_AP', 40.7, 0.3),
    ('MoCo v2 200', 'segm_AP', 35.6, 0.3),
    ('InsLoc 200', 'bbox_AP', 41.4, 0.3),
    ('InsLoc 200', 'segm_AP', 35.9, 0.3),
]
