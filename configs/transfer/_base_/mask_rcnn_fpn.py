# Mask R-CNN, R50-FPN with SyncBN in backbone, pyramid and heads, and the
# 4conv1fc box head.
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'

trained_norm = dict(type='SyncBN', requires_grad=True)
# Detectron2's first values; stock's are Xavier's
caffe2_xavier = dict(type='Caffe2Xavier', layer=['Conv2d'])
box_start = [
    dict(type='Normal', std=0.01, override=dict(name='fc_cls')),
    dict(type='Normal', std=0.001, override=dict(name='fc_reg')),
    dict(type='Caffe2Xavier', override=dict(name='shared_fcs')),
]
model = dict(
    backbone=dict(
        frozen_stages=-1,  # stock 1
        norm_cfg=trained_norm,
        norm_eval=False,  # stock True
        init_cfg=None,  # the backbone file is loaded after building
    ),
    neck=dict(norm_cfg=trained_norm, init_cfg=caffe2_xavier),
    rpn_head=dict(anchor_generator=dict(type='AnchorsOverPadding')),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            norm_cfg=trained_norm,
            init_cfg=box_start,
        ),
        mask_head=dict(type='Detectron2MaskHead', norm_cfg=trained_norm),
    ),
    train_cfg=dict(
        # stock: 0.3 for min_pos_iou
        rpn=dict(
            assigner=dict(type='LargestOverlapAssigner', min_pos_iou=0.0)
        ),
        # stock True, which can give a box to another object
        rcnn=dict(assigner=dict(match_low_quality=False)),
    ),
)
