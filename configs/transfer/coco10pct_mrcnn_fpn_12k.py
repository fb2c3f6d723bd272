# Mask R-CNN R50-FPN on a tenth of COCO, 12,000 iterations. Source: DetCo
# (docs/protocols.md).
TASK = dict(
    id='coco10pct_mrcnn_fpn_12k',
    title='10% of COCO, FPN, 12k',
    group='detection',
    order=45,
    toolbox='mmdet',
    dataset='coco10pct',
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
    source='DetCo (Xie et al., ICCV 2021)',
    gpu_hours=7.0,
    cost_source="0.261 s per iteration on 8 V100 (Detectron2's model zoo)",
)
_base_ = './coco_mrcnn_fpn_1x.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmengine.FractionDataset',
        fraction=0.1,
        seed=0,  # of the list: the same images in every run
        dataset=_base_.train_dataloader.dataset,
    )
)
train_cfg = dict(max_iters=12000, val_interval=12000)
edit = {
    # not stated; at the same parts of the run as in the 1x schedule
    'param_scheduler.MultiStepLR': dict(milestones=[8000, 10667], end=12000)
}
