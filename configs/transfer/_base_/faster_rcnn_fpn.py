# Faster R-CNN, R50-FPN with SyncBN in backbone and pyramid, and mmdet's box
# head of two linear layers, which has no norm.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'

trained_norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(
        frozen_stages=-1,  # stock 1
        norm_cfg=trained_norm,
        norm_eval=False,  # stock True
        zero_init_residual=False,  # stock True: branches start at 0
        init_cfg=None,  # the backbone file is loaded after building
    ),
    neck=dict(norm_cfg=trained_norm),
    # stock 0.3: Detectron2 has no lower bound for an object's best anchor
    train_cfg=dict(rpn=dict(assigner=dict(min_pos_iou=0.0))),
)
