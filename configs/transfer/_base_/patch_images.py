# Images of one size without augmentation, for probes of frozen patches against
# the labels of their pixels. List this file after one of a segmentation set.
backbone = dict(
    type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'
)
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
patch_pipeline = [
    dict(type='LoadImageFromFile'),
    # 255, and ADE20K's 0, stay as they are
    dict(type='LoadAnnotations', reduce_zero_label=False),
    # squashed; the labels to the nearest pixel
    dict(
        type='Resize',
        scale=(224, 224),
        keep_ratio=False,
        interpolation='bicubic',
        backend='pillow',
    ),
    dict(type='PackSegInputs'),
]
edit_patches = {
    'train_dataloader.batch_size': 64,
    'train_dataloader.dataset.pipeline': patch_pipeline,
    'test_dataloader.batch_size': 64,
    'test_dataloader.dataset.pipeline': patch_pipeline,
    'val_dataloader': dict(_delete_=True),
    'val_evaluator': dict(_delete_=True),
    'test_evaluator': dict(_delete_=True),
}
