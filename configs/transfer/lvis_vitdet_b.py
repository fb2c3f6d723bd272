# ViTDet-B on LVIS v1, 100 epochs: coco_vitdet_b with the federated loss,
# repeat factors, more classes and more detections (docs/protocols.md).
TASK = dict(
    id='lvis_vitdet_b',
    title='LVIS ViTDet-B',
    group='detection',
    order=60,
    toolbox='mmdet',
    dataset='lvis',
    metrics={
        'bbox_AP': dict(toolkit='lvis/bbox_AP', factor=100.0, tolerance=0.5),
        'bbox_AP50': dict(
            toolkit='lvis/bbox_AP50', factor=100.0, tolerance=0.5
        ),
        'bbox_AP75': dict(
            toolkit='lvis/bbox_AP75', factor=100.0, tolerance=1.0
        ),
        'bbox_APs': dict(toolkit='lvis/bbox_APs', factor=100.0, tolerance=0.5),
        'bbox_APm': dict(toolkit='lvis/bbox_APm', factor=100.0, tolerance=0.5),
        'bbox_APl': dict(toolkit='lvis/bbox_APl', factor=100.0, tolerance=0.5),
        'bbox_APr': dict(toolkit='lvis/bbox_APr', factor=100.0, tolerance=0.5),
        'bbox_APc': dict(toolkit='lvis/bbox_APc', factor=100.0, tolerance=0.5),
        'bbox_APf': dict(toolkit='lvis/bbox_APf', factor=100.0, tolerance=0.5),
        'segm_AP': dict(toolkit='lvis/segm_AP', factor=100.0, tolerance=0.5),
        'segm_AP50': dict(
            toolkit='lvis/segm_AP50', factor=100.0, tolerance=0.5
        ),
        'segm_AP75': dict(
            toolkit='lvis/segm_AP75', factor=100.0, tolerance=1.0
        ),
        'segm_APs': dict(toolkit='lvis/segm_APs', factor=100.0, tolerance=0.5),
        'segm_APm': dict(toolkit='lvis/segm_APm', factor=100.0, tolerance=0.5),
        'segm_APl': dict(toolkit='lvis/segm_APl', factor=100.0, tolerance=0.5),
        'segm_APr': dict(toolkit='lvis/segm_APr', factor=100.0, tolerance=0.5),
        'segm_APc': dict(toolkit='lvis/segm_APc', factor=100.0, tolerance=0.5),
        'segm_APf': dict(toolkit='lvis/segm_APf', factor=100.0, tolerance=0.5),
    },
    shown=['bbox_AP', 'bbox_APr', 'segm_AP', 'segm_APr'],
    source="Li et al., ECCV 2022, Detectron2's ViTDet project",
    gpu_hours=880.6,
    cost_source='0.317 s per image on 64 A100 (Detectron2, ViTDet README)',
    recipe_gpu_hours={'vit_large': 1600.0},
    packages=['lvis'],
)
_base_ = ['_base_/mask_rcnn_vitdet.py', '_base_/lvis_instance.py']

model = dict(
    roi_head=dict(
        bbox_head=dict(
            # stock softmax over all classes
            loss_cls=dict(
                _delete_=True,
                type='FederatedLoss',
                num_classes=1203,
                num_sampled=50,
                power=0.5,
            )
        )
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.02)),
)

optim_wrapper = dict(optimizer=dict(lr=2e-4))
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=156250, val_interval=156250
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=251
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[138889, 150463],
        gamma=0.1,
        begin=0,
        end=156250,
    ),
]
custom_hooks = [dict(type='ClassCountsHook')]  # for the loss's draws

recipes = dict(
    vit_large={  # Detectron2's ViTDet-L
        'model.backbone.drop_path_rate': 0.4,
        'timm_backbone.drop_path_rate': 0.4,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.8,
    },
    hierarchical={  # Detectron2's Swin-B under ViTDet's detector, 50 epochs
        'timm_backbone.drop_path_rate': 0.3,
        'optim_wrapper.optimizer.lr': 1e-4,
        'optim_wrapper.optimizer.weight_decay': 0.05,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0,
        'train_cfg.max_iters': 78125,
        'train_cfg.val_interval': 78125,
        'param_scheduler.MultiStepLR.milestones': [69444, 75231],
        'param_scheduler.MultiStepLR.end': 78125,
    },
)
