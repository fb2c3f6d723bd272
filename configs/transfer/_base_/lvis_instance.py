# LVIS v1 on COCO's images. List this file after those of a Mask R-CNN on
# COCO.
lvis_set = dict(
    _keep_=['pipeline'],
    type='LvisInstances',
    data_root='data/',
    data_prefix=dict(img='coco/'),  # the images are COCO's
)
edit_lvis = {
    'model.roi_head.bbox_head.num_classes': 1203,
    'model.roi_head.mask_head.num_classes': 1203,
    'model.test_cfg.rcnn.max_per_img': 300,
    # repeat factors are rounded at random, each epoch again; stock rounds
    # them up once
    'train_dataloader.sampler': dict(
        _delete_=True, type='RepeatFactorSampler', threshold=1e-3
    ),
    'train_dataloader.dataset': dict(
        ann_file='lvis/lvis_v1_train.json',
        filter_cfg=dict(filter_empty_gt=True, min_size=0),
        **lvis_set,
    ),
    'test_dataloader.dataset': dict(
        ann_file='lvis/lvis_v1_val.json', test_mode=True, **lvis_set
    ),
    'test_evaluator': dict(
        _delete_=True,
        type='LvisMetric',
        ann_file='data/lvis/lvis_v1_val.json',
        metric=['bbox', 'segm'],
    ),
}
