# Mask R-CNN R50-FPN on LVIS v1, 1x schedule. Source: SoCo's released configs
# (docs/protocols.md).
TASK = dict(
    id='lvis_mrcnn_fpn_1x',
    title='LVIS Mask R-CNN FPN, 1x',
    group='detection',
    order=62,
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
    source='Detectron2 configs of SoCo (hologerry/SoCo)',
    gpu_hours=58.4,
    cost_source=(
        "0.292 s per iteration on 8 V100 (Detectron2's model zoo, LVIS v0.5)"
    ),
    recipe_gpu_hours={'detectron2': 116.8},
    packages=['lvis'],
)
_base_ = [
    '_base_/mask_rcnn_fpn.py',
    '_base_/coco_instance.py',
    '_base_/det_runtime.py',
    '_base_/adamw.py',
    '_base_/lvis_instance.py',
]
model = dict(test_cfg=dict(rcnn=dict(score_thr=1e-4)))  # stock 0.05
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=90000, val_interval=90000
)
param_scheduler = [
    # Detectron2 reaches the full rate at iteration 1000
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1001
    ),
    dict(
        type='MultiStepLR',
        by_epoch=False,
        milestones=[60000, 80000],
        gamma=0.1,
        begin=0,
        end=90000,
    ),
]
recipes = dict(
    # Detectron2 calls 180,000 iterations 1x on LVIS v1
    detectron2={
        'train_cfg.max_iters': 180000,
        'train_cfg.val_interval': 180000,
        'param_scheduler.MultiStepLR.milestones': [120000, 160000],
        'param_scheduler.MultiStepLR.end': 180000,
    }
)
