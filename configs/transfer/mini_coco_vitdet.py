# coco_vitdet_b on the embedded COCO set: the same classes and rules with
# images of 96 pixels, patches of 8, a very small ViT, few proposals and
# iterations.
TASK = dict(
    id='mini_coco_vitdet',
    title='Mini COCO ViTDet',
    group='detection',
    order=260,
    toolbox='mmdet',
    dataset='mini_coco',
    metrics={
        'bbox_AP': dict(toolkit='coco/bbox_mAP', factor=100.0, tolerance=0.5),
        'bbox_AP50': dict(
            toolkit='coco/bbox_mAP_50', factor=100.0, tolerance=0.5
        ),
        'bbox_AP75': dict(
            toolkit='coco/bbox_mAP_75', factor=100.0, tolerance=1.0
        ),
        'bbox_APs': dict(
            toolkit='coco/bbox_mAP_s', factor=100.0, tolerance=0.5
        ),
        'bbox_APm': dict(
            toolkit='coco/bbox_mAP_m', factor=100.0, tolerance=0.5
        ),
        'bbox_APl': dict(
            toolkit='coco/bbox_mAP_l', factor=100.0, tolerance=0.5
        ),
        'segm_AP': dict(toolkit='coco/segm_mAP', factor=100.0, tolerance=0.5),
        'segm_AP50': dict(
            toolkit='coco/segm_mAP_50', factor=100.0, tolerance=0.5
        ),
        'segm_AP75': dict(
            toolkit='coco/segm_mAP_75', factor=100.0, tolerance=1.0
        ),
        'segm_APs': dict(
            toolkit='coco/segm_mAP_s', factor=100.0, tolerance=0.5
        ),
        'segm_APm': dict(
            toolkit='coco/segm_mAP_m', factor=100.0, tolerance=0.5
        ),
        'segm_APl': dict(
            toolkit='coco/segm_mAP_l', factor=100.0, tolerance=0.5
        ),
    },
    shown=[
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
        'segm_AP',
        'segm_AP50',
        'segm_AP75',
    ],
    source='coco_vitdet_b, scaled down',
)
_base_ = ['./coco_vitdet_b.py', '_base_/mini.py']

image = 96
model = dict(
    data_preprocessor=dict(pad_size_divisor=image),
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=4,
            num_heads=3,
            feedforward_channels=384,
            global_attn_indexes=[1, 3],
        ),
        img_size=image,
        table_size=64,
        patch_size=8,
        window_size=5,
    ),  # of 12 patches a side: the last windows are padded
    neck=dict(in_channels=96, out_channels=32),
    rpn_head=dict(
        in_channels=32,
        feat_channels=32,
        anchor_generator=dict(scales=[5], strides=[2, 4, 8, 16, 32]),
    ),  # 10 to 160 pixels
    roi_head=dict(
        bbox_roi_extractor=dict(
            out_channels=32, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        bbox_head=dict(
            in_channels=32,
            conv_out_channels=32,
            fc_out_channels=128,
            num_classes=8,
        ),
        mask_roi_extractor=dict(
            out_channels=32, featmap_strides=[2, 4, 8, 16], finest_scale=14
        ),
        mask_head=dict(in_channels=32, conv_out_channels=32, num_classes=8),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=64),
        rcnn=dict(sampler=dict(num=32)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=30)
    ),
)

train_pipeline = _base_.train_pipeline
train_pipeline[3].update(scale=(image, image), ratio_range=(0.7, 1.4))
train_pipeline[4].update(crop_size=(image, image))
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=(image, image))
mini_set = dict(
    data_root='data/mini/coco/',
    metainfo=dict(classes=_base_.mini_classes, palette=_base_.mini_palette),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(pipeline=train_pipeline, **mini_set),
)
test_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(pipeline=test_pipeline, **mini_set),
)
test_evaluator = dict(
    ann_file='data/mini/coco/annotations/instances_val2017.json'
)

iterations = 220
optim_wrapper = dict(optimizer=dict(lr=1e-3), paramwise_cfg=dict(num_layers=4))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=31),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[190, 210],
        gamma=0.1,
        begin=0,
        end=iterations,
    ),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=iterations))
