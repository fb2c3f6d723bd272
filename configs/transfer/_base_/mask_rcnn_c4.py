# Mask R-CNN, R50-C4: the changes of faster_rcnn_c4.py and those of masks.
_base_ = './faster_rcnn_c4.py'

model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(pad_mask=True),
    roi_head=dict(
        bbox_head=dict(num_classes=80),
        mask_roi_extractor=None,  # the features of the shared head
        mask_head=dict(
            type='Detectron2MaskHead',  # stock: larger first logits
            num_convs=0,
            in_channels=2048,
            conv_out_channels=256,
            num_classes=80,
            loss_mask=dict(
                type='CrossEntropyLoss', use_mask=True, loss_weight=1.0
            ),
        ),
    ),
    train_cfg=dict(rcnn=dict(mask_size=14)),
    test_cfg=dict(rcnn=dict(mask_thr_binary=0.5)),
)
