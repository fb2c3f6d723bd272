# coco_dino_4scale on the embedded COCO set: the same classes and rules with
# images of 96 pixels, a narrow transformer of few layers, and few queries.
TASK = dict(
    id='mini_coco_dino',
    title='Mini COCO DINO detector',
    group='detection',
    order=265,
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
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='coco_dino_4scale, scaled down',
)
_base_ = ['./coco_dino_4scale.py', '_base_/mini.py']

width = 64
layer = dict(
    self_attn_cfg=dict(embed_dims=width),
    ffn_cfg=dict(embed_dims=width, feedforward_channels=128),
)
model = dict(
    num_queries=40,
    backbone=dict(depth=18, base_channels=16),
    neck=dict(
        in_channels=[32, 64, 128],
        out_channels=width,
        norm_cfg=dict(num_groups=8),
    ),
    encoder=dict(num_layers=1, layer_cfg=layer),
    decoder=dict(
        num_layers=2,
        layer_cfg=dict(cross_attn_cfg=dict(embed_dims=width), **layer),
    ),
    positional_encoding=dict(num_feats=width // 2),
    bbox_head=dict(num_classes=8, embed_dims=width),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=20)),
    test_cfg=dict(max_per_img=30),
)

mini_set = dict(
    data_root='data/mini/coco/',
    metainfo=dict(classes=_base_.mini_classes, palette=_base_.mini_palette),
)
sizes = [(128, 80), (128, 96)]
choice = 'train_dataloader.dataset.pipeline.RandomChoice.transforms.'
iterations = 150
timm_backbone = dict(drop_path_rate=0.0)
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False, dataset=mini_set
)
test_dataloader = dict(
    batch_size=8, num_workers=0, persistent_workers=False, dataset=mini_set
)
test_evaluator = dict(
    ann_file='data/mini/coco/annotations/instances_val2017.json'
)
auto_scale_lr = dict(base_batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
edit = {
    choice + 'RandomChoiceResize#1.scales': sizes,
    choice + 'RandomChoiceResize#2.scales': [(900, 64), (900, 80)],
    choice + 'RandomChoiceResize#3.scales': sizes,
    choice + 'RandomCrop.crop_size': (60, 96),
    'test_dataloader.dataset.pipeline.Resize.scale': (128, 96),
    'param_scheduler.MultiStepLR': dict(milestones=[120], end=iterations),
}
