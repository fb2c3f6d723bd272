# Mask R-CNN R50-FPN on Cityscapes' instances. Source: Detectron2's config,
# with the norms and heads of coco_mrcnn_fpn_1x (docs/protocols.md).
TASK = dict(
    id='cityscapes_mrcnn_fpn',
    title='Cityscapes Mask R-CNN FPN',
    group='detection',
    order=64,
    toolbox='mmdet',
    dataset='cityscapes_instances',
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
    shown=['segm_AP', 'segm_AP50', 'bbox_AP', 'bbox_AP50'],
    source="Detectron2's Cityscapes config; MoCo and DetCo transfer to it",
    gpu_hours=12.8,
    cost_source="0.240 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = './coco_mrcnn_fpn_1x.py'

model = dict(
    roi_head=dict(bbox_head=dict(num_classes=8), mask_head=dict(num_classes=8))
)
classes = (
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'train',
    'motorcycle',
    'bicycle',
)
palette = [
    (220, 20, 60),
    (255, 0, 0),
    (0, 0, 142),
    (0, 0, 70),
    (0, 60, 100),
    (0, 80, 100),
    (0, 0, 230),
    (119, 11, 32),
]
street_set = dict(
    data_root='data/cityscapes/',
    metainfo=dict(classes=classes, palette=palette),
)
lists = 'annotations/instancesonly_filtered_gtFine_'
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file=lists + 'train.json',
        data_prefix=dict(img='leftImg8bit/train/'),
        **street_set,
    ),
)
test_dataloader = dict(
    dataset=dict(
        ann_file=lists + 'val.json',
        data_prefix=dict(img='leftImg8bit/val/'),
        **street_set,
    )
)
test_evaluator = dict(ann_file='data/cityscapes/' + lists + 'val.json')

train_cfg = dict(max_iters=24000, val_interval=24000)
edit = {
    'train_dataloader.dataset.pipeline.RandomChoiceResize.scales': [
        (2048, short) for short in range(800, 1025, 32)
    ],
    'test_dataloader.dataset.pipeline.Resize.scale': (2048, 1024),
    'param_scheduler.MultiStepLR': dict(milestones=[18000], end=24000),
}
optim_wrapper = dict(optimizer=dict(lr=0.01))
auto_scale_lr = dict(base_batch_size=8)  # 8 devices x 1
recipes = dict(
    _delete_=True,  # of COCO's rows
    # coco_mrcnn_fpn_1x's, at half the rate for half the batch, as SGD's
    adamw={
        'optim_wrapper.optimizer': dict(
            _delete_=True,
            type='AdamW',
            lr=5e-5,
            betas=(0.9, 0.999),
            weight_decay=0.05,
        ),
        'timm_backbone.drop_path_rate': 0.2,
    },
    adamw_vit={
        'optim_wrapper.optimizer': dict(
            _delete_=True,
            type='AdamW',
            lr=5e-5,
            betas=(0.9, 0.999),
            weight_decay=0.05,
        ),
        'optim_wrapper.constructor': 'mmengine.ViTLayerDecay',
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.65,
        'optim_wrapper.paramwise_cfg.bias_decay_mult': 0.0,
        'optim_wrapper.paramwise_cfg.flat_decay_mult': 0.0,
        'timm_backbone.drop_path_rate': 0.2,
    },
)
