# Faster R-CNN R50-C4 on VOC07 trainval alone, 9,000 iterations. Source: MoCo's
# and SimSiam's tables (docs/protocols.md).
TASK = dict(
    id='voc07_det_c4',
    title='VOC07 detection, C4',
    group='detection',
    order=5,
    toolbox='mmdet',
    dataset='voc07',
    metrics={
        'bbox_AP': dict(toolkit='voc/AP', tolerance=0.5),
        'bbox_AP50': dict(toolkit='voc/AP50', tolerance=0.5),
        'bbox_AP75': dict(toolkit='voc/AP75', tolerance=1.0),
    },
    shown=['bbox_AP', 'bbox_AP50', 'bbox_AP75'],
    source='MoCo (He et al., CVPR 2020) and SimSiam, VOC07 trainval',
    gpu_hours=10.7,
    cost_source="0.537 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = './voc0712_det_c4.py'

train_cfg = dict(max_iters=9000, val_interval=9000)
edit = {
    'train_dataloader.dataset.datasets.VOCDetection#2': dict(
        _delete_=True
    ),  # VOC2012
    # not stated; at the same parts of the run as in voc0712_det_c4
    'param_scheduler.MultiStepLR': dict(milestones=[6750, 8250], end=9000),
}
recipes = dict(_delete_=True)  # of the rows on VOC07+12
