# `ssl-bench judge` on own images with boxes of objects, frozen and fine-tuned:
# Faster R-CNN on a pyramid, thinner and with fewer proposals than the papers'
# (configs/transfer/coco_frcnn_fpn_1x.py), AdamW with a short warm-up. The same
# for every network; a run names sizes of images and anchors, length and rate.
TASK = dict(
    id='judge_detection',
    title='Faster R-CNN FPN',
    group='detection',
    order=1020,
    toolbox='mmdet',
    dataset='coco_boxes',
    metrics={
        'bbox_AP': dict(toolkit='coco/bbox_mAP', factor=100.0, tolerance=0.5),
        'bbox_AP50': dict(
            toolkit='coco/bbox_mAP_50', factor=100.0, tolerance=0.5
        ),
    },
    shown=['bbox_AP'],
    source="no paper's: ssl-bench judge",
)
_base_ = [
    '../transfer/_base_/faster_rcnn_fpn.py',
    '../transfer/_base_/coco_instance.py',
    '../transfer/_base_/det_runtime.py',
]

channels = 64
model = dict(
    neck=dict(out_channels=channels),
    rpn_head=dict(in_channels=channels, feat_channels=channels),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=channels, finest_scale=56),
        bbox_head=dict(in_channels=channels, fc_out_channels=256),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=128),
        rcnn=dict(sampler=dict(num=64)),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=500, max_per_img=200), rcnn=dict(max_per_img=100)
    ),
)
timm_backbone = dict(
    type='TimmBackbone', drop_path_rate=0.0, window_size=0, with_cp=False
)
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)
test_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False)

iterations = 1000
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=iterations, val_interval=iterations
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=0,
        end=iterations,
        T_max=iterations,
    ),
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
default_hooks = dict(checkpoint=dict(interval=iterations, max_keep_ckpts=1))
custom_hooks = []  # no precise BN
edit = {  # boxes alone
    'train_dataloader.dataset.pipeline.LoadAnnotations.with_mask': False,
    'test_dataloader.dataset.pipeline.LoadAnnotations.with_mask': False,
    'test_evaluator.metric': ['bbox'],
}
