# DINOv2's linear segmentation of four layers at several test scales: what
# differs from one layer and one scale. List this file after a task of those.
# Only the 640 pixels, the four layers and the first three scales were read.
window_ms = (640, 640)
test_views = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [
                # short sides of 640 times 1, 1.32 and 1.73
                dict(type='Resize', scale=(99999999, 640), keep_ratio=True),
                dict(type='Resize', scale=(99999999, 844), keep_ratio=True),
                dict(type='Resize', scale=(99999999, 1107), keep_ratio=True),
            ],
            [dict(type='RandomFlip', prob=0.0)],  # none: not read
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
edit_ms = {
    'model.maps.layers': 'last_four',
    'model.maps.stages': (1, 2, 3, 4),
    'model.data_preprocessor.size': window_ms,
    'model.test_cfg.crop_size': window_ms,
    'model.test_cfg.stride': (426, 426),  # mmseg's for this window
    'train_dataloader.dataset.pipeline': dict(
        RandomResize=dict(scale=(99999999, 640)),
        RandomCrop=dict(crop_size=window_ms),
    ),
    'test_dataloader.dataset.pipeline': test_views,
}
recipes = dict(
    # five scales, of which the last two are our reading: even steps of the
    # logarithm, from 1 to 3
    five_scales={
        'test_dataloader.dataset.pipeline.TestTimeAug.transforms.0': [
            dict(type='Resize', scale=(99999999, 640), keep_ratio=True),
            dict(type='Resize', scale=(99999999, 844), keep_ratio=True),
            dict(type='Resize', scale=(99999999, 1107), keep_ratio=True),
            dict(type='Resize', scale=(99999999, 1459), keep_ratio=True),
            dict(type='Resize', scale=(99999999, 1920), keep_ratio=True),
        ]
    }
)
