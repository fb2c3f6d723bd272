# lvis_vitdet_b on the embedded set in LVIS's form, with the sizes of
# mini_coco_vitdet.
TASK = dict(
    id='mini_lvis_vitdet',
    title='Mini LVIS ViTDet',
    group='detection',
    order=270,
    toolbox='mmdet',
    dataset='mini_lvis',
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
    source='lvis_vitdet_b, scaled down',
    packages=['lvis'],
)
_base_ = './mini_coco_vitdet.py'

model = dict(
    roi_head=dict(
        bbox_head=dict(
            loss_cls=dict(
                _delete_=True,
                type='FederatedLoss',
                num_classes=8,
                num_sampled=6,  # of 8 and the background
                power=0.5,
            )
        )
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.02, max_per_img=60)),
)

train_dataloader = dict(
    # a class in fewer than a fifth of the images is repeated
    sampler=dict(_delete_=True, type='RepeatFactorSampler', threshold=0.2)
)
lvis_set = dict(
    _keep_=['pipeline', 'metainfo'],
    type='LvisInstances',
    data_root='data/mini/',
    data_prefix=dict(img='coco/'),
)
edit = {
    'train_dataloader.dataset': dict(
        ann_file='lvis/lvis_v1_train.json',
        filter_cfg=dict(filter_empty_gt=True, min_size=0),
        **lvis_set,
    ),
    'test_dataloader.dataset': dict(
        ann_file='lvis/lvis_v1_val.json', test_mode=True, **lvis_set
    ),
}
test_evaluator = dict(
    _delete_=True,
    type='LvisMetric',
    ann_file='data/mini/lvis/lvis_v1_val.json',
    metric=['bbox', 'segm'],
)
custom_hooks = [dict(type='ClassCountsHook')]  # for the loss's draws
recipes = dict(
    _delete_=True,  # a full-size ViT's
    hierarchical={
        'timm_backbone.drop_path_rate': 0.0,
        'optim_wrapper.optimizer.weight_decay': 0.05,
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 1.0,
    },
)
