# Mask R-CNN on a plain ViT-B/16, images of 1024 pixels, COCO's data read as
# Detectron2's ViTDet project reads them (docs/protocols.md).
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    './coco_instance.py',
    './det_runtime.py',
]

image = 1024
layer_norm = dict(type='mmpretrain.LN2d', eps=1e-6)  # over channels
# Detectron2's first values; stock's are Xavier's
box_start = [
    dict(type='Normal', std=0.01, override=dict(name='fc_cls')),
    dict(type='Normal', std=0.001, override=dict(name='fc_reg')),
    dict(type='Caffe2Xavier', override=dict(name='shared_fcs')),
]
model = dict(
    # squares in training and in testing; the padding is the mean colour
    data_preprocessor=dict(pad_size_divisor=image),
    backbone=dict(
        _delete_=True,
        type='ViTDet',
        arch='base',
        img_size=image,
        table_size=224,  # pixels in pretraining
        patch_size=16,
        window_size=14,
        drop_path_rate=0.1,
    ),
    neck=dict(
        _delete_=True,
        type='SimpleFeaturePyramid',
        in_channels=768,
        out_channels=256,
        norm_cfg=layer_norm,
    ),
    rpn_head=dict(
        num_convs=2, anchor_generator=dict(type='AnchorsOverPadding')
    ),
    roi_head=dict(
        bbox_head=dict(
            type='Shared4Conv1FCBBoxHead',
            norm_cfg=layer_norm,
            init_cfg=box_start,
        ),
        mask_head=dict(type='Detectron2MaskHead', norm_cfg=layer_norm),
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

# large-scale jittering; stock resizes the short side to 800
train_pipeline = [
    dict(type='LoadImageFromFile', imdecode_backend='pillow'),
    # polygons stay polygons: the targets are cut from them
    dict(
        type='LoadAnnotations', with_bbox=True, with_mask=True, poly2mask=False
    ),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomResize',
        scale=(image, image),
        ratio_range=(0.1, 2.0),
        keep_ratio=True,
        resize_type='Resize',
        backend='pillow',
    ),
    dict(
        type='RandomCrop',
        crop_type='absolute',
        crop_size=(image, image),
        recompute_bbox=True,  # from the part of a mask inside the crop
        allow_negative_crop=True,
    ),
    dict(
        type='FilterAnnotations',
        min_gt_bbox_wh=(1e-2, 1e-2),
        # a crop without objects is all background; stock takes another image
        keep_empty=False,
    ),
    dict(type='PackDetInputs'),
]
# 32 devices x 2 make the protocol's 64; fewer accumulate gradients, which is
# the same with layer norm
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=train_pipeline))
edit = {'test_dataloader.dataset.pipeline.Resize.scale': (image, image)}

optim_wrapper = dict(
    _delete_=True,
    type='AmpOptimWrapper',
    constructor='mmengine.ViTLayerDecay',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.1
    ),
    paramwise_cfg=dict(
        num_layers=12,
        layer_decay_rate=0.7,
        norm_decay_mult=0.0,  # biases and relative positions are decayed
        custom_keys={
            'backbone.pos_embed': dict(decay_mult=0.0),
            # Detectron2's rule for norms misses its own channel norm, so
            # those of pyramid and heads are decayed
            'neck.': dict(decay_mult=1.0),
            'roi_head.': dict(decay_mult=1.0),
        },
    ),
)
# settings of what timm builds; window_size 14 with its global blocks is
# ViTDet's, with_cp trades time for memory
timm_backbone = dict(
    type='TimmBackbone', drop_path_rate=0.1, window_size=0, with_cp=False
)
recipe_for = dict(stages='hierarchical', batch_norm='hierarchical')
auto_scale_lr = dict(base_batch_size=64)
custom_hooks = []  # there is no batch norm
