# Faster R-CNN, R50-C4 with one norm after res5. Stock is Caffe style with
# all norms frozen; the protocol trains every layer of torchvision's net.
_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py'

# MoCo's file names this form: each process's statistics weigh alike
trained_norm = dict(type='mmengine.NaiveSyncBN', requires_grad=True)
model = dict(
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,  # stock 32
    ),
    backbone=dict(
        frozen_stages=-1,
        norm_cfg=trained_norm,
        norm_eval=False,
        style='pytorch',
        init_cfg=None,  # the backbone file is loaded after building
    ),
    rpn_head=dict(anchor_generator=dict(type='AnchorsOverPadding')),
    roi_head=dict(
        shared_head=dict(
            type='Res5WithNorm',
            norm_cfg=trained_norm,
            norm_eval=False,
            style='pytorch',
            init_cfg=None,
        )
    ),
    # stock 0.3: Detectron2 has no lower bound for an object's best anchor
    train_cfg=dict(
        rpn=dict(assigner=dict(type='LargestOverlapAssigner', min_pos_iou=0.0))
    ),
)
