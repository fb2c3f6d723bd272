# Faster R-CNN, R50-FPN: the detector of mask_rcnn_fpn.py without masks, and
# with mmdet's box head of two linear layers, which has no norm.
_base_ = './mask_rcnn_fpn.py'

model = dict(
    type='FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(
        bbox_head=dict(type='Shared2FCBBoxHead', norm_cfg=None),
        mask_roi_extractor=None,
        mask_head=None,
    ),
)
