# The embedded COCO set and thin heads, for Mask R-CNN on a pyramid.
_base_ = 'mini.py'

mini_set = dict(
    data_root='data/mini/coco/',
    metainfo=dict(classes=_base_.mini_classes, palette=_base_.mini_palette),
)
thin = dict(in_channels=32, conv_out_channels=32, num_classes=8)
edit_data = {
    # in so few epochs, many steps with small batches learn more
    'train_dataloader.batch_size': 4,
    'auto_scale_lr.base_batch_size': 4,
    'train_dataloader.dataset': mini_set,
    'test_dataloader.dataset': mini_set,
    'test_evaluator.ann_file': (
        'data/mini/coco/annotations/instances_val2017.json'
    ),
    'model.neck.out_channels': 32,
    'model.rpn_head': dict(in_channels=32, feat_channels=32),
    'model.roi_head': dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(fc_out_channels=128, **thin),
        mask_roi_extractor=dict(out_channels=32),
        mask_head=thin,
    ),
}
