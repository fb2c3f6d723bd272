# ViTDet-B on COCO, 100 epochs. Source: Detectron2's ViTDet project, which
# SiameseIM follows (transfer_protocols, section 2).
_base_ = '_base_/mask_rcnn_vitdet.py'

train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=184375, val_interval=184375
)
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 250
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=251
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[163889, 177546],
        gamma=0.1,
        begin=0,
        end=184375,
    ),
]
# method, metric, published value, tolerance
expected = [
    ('MAE', 'bbox_AP', 51.6, 0.5),
    ('MAE', 'segm_AP', 45.9, 0.5),
    ('SiameseIM', 'bbox_AP', 52.1, 0.5),
    ('SiameseIM', 'segm_AP', 46.2, 0.5),
]
