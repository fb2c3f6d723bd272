# Mask R-CNN R50-C4 on COCO, 1x schedule. Source: Detectron2's settings in
# MoCo's and InsLoc's released configs (transfer_protocols, section 2).
_base_ = [
    '_base_/mask_rcnn_c4.py',
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
    ('MoCo v2 200', 'bbox_AP', 38.9, 0.3),
    ('MoCo v2 200', 'segm_AP', 34.1, 0.3),
    ('InsLoc 200', 'bbox_AP', 39.5, 0.3),
    ('InsLoc 200', 'segm_AP', 34.5, 0.3),
]

recipes = dict(barlowtwins={'optim_wrapper.optimizer.lr': 0.03})  # paper text
