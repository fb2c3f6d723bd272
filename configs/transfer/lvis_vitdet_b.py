# ViTDet-B on LVIS v1, 100 epochs: coco_vitdet_b with the federated loss,
# repeat factors, more classes and more detections (transfer_protocols,
# section 2).
_base_ = '_base_/mask_rcnn_vitdet.py'

custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.detection_heads',
        'ssl_bench.toolbox.vitdet',
        'ssl_bench.toolbox.lvis',
        'ssl_bench.toolbox.hooks',
    ],
    allow_failed_imports=False,
)

model = dict(
    roi_head=dict(
        bbox_head=dict(
            num_classes=1203,
            # stock softmax over all classes
            loss_cls=dict(
                _delete_=True,
                type='FederatedLoss',
                num_classes=1203,
                num_sampled=50,
                power=0.5,
            ),
        ),
        mask_head=dict(num_classes=1203),
    ),
    test_cfg=dict(rcnn=dict(score_thr=0.02, max_per_img=300)),
)

lvis_set = dict(
    _delete_=True,
    type='LvisInstances',
    data_root='data/',
    data_prefix=dict(img='coco/'),
)  # images are COCO's
train_dataloader = dict(
    # repeat factors are rounded at random, anew each time; stock rounds them
    # up once
    sampler=dict(_delete_=True, type='RepeatFactorSampler', threshold=1e-3),
    dataset=dict(
        ann_file='lvis/lvis_v1_train.json',
        filter_cfg=dict(filter_empty_gt=True, min_size=0),
        pipeline=_base_.train_pipeline,
        **lvis_set,
    ),
)
test_dataloader = dict(
    dataset=dict(
        ann_file='lvis/lvis_v1_val.json',
        test_mode=True,
        pipeline=_base_.test_pipeline,
        **lvis_set,
    )
)
test_evaluator = dict(
    _delete_=True,
    type='LvisMetric',
    ann_file='data/lvis/lvis_v1_val.json',
    metric=['bbox', 'segm'],
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
custom_hooks = [dict(type='ClassCountsHook')]  # what the loss draws by
# method, metric, published value, tolerance
expected = [
    ('MAE', 'bbox_AP', 40.1, 0.5),
    ('MAE', 'bbox_APr', 29.3, 1.0),
    ('MAE', 'segm_AP', 38.1, 0.5),
    ('MAE', 'segm_APr', 29.1, 1.0),
    ('SiameseIM', 'bbox_AP', 40.5, 0.5),
    ('SiameseIM', 'bbox_APr', 30.9, 1.0),
    ('SiameseIM', 'segm_AP', 38.1, 0.5),
    ('SiameseIM', 'segm_APr', 30.1, 1.0),
    ('MoCo v3', 'bbox_AP', 37.3, 0.5),
    ('MoCo v3', 'bbox_APr', 25.5, 1.0),
    ('MoCo v3', 'segm_AP', 35.3, 0.5),
    ('MoCo v3', 'segm_APr', 25.8, 1.0),
]
