# In-context segmentation with frozen patches as open-hummingbird-eval has it.
# List this file after one of a segmentation set. What the protocol decides is
# said here, even where it is a default.
backbone = dict(
    type='ResNet', depth=50, num_stages=4, out_indices=(3,), style='pytorch'
)
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    # the official program has 0.255 for ImageNet's 0.225 of blue
    std=[58.395, 57.12, 65.025],
    to_rgb=True,
)
# kept for networks whose pretraining has ImageNet's mean and deviation
protocol_pixels = True
probe = dict(
    type='in_context',
    maps=dict(
        layers='last',
        stages=(4,),  # of a network that has stages: our reading
        final_norm=True,
        class_token=False,
        padding='none',  # a patch is a square of whole pixels of the mask
    ),
    precision='float16',  # of the features on disk
    k=30,
    temperature=0.02,
    memory_size=10240000,  # patches; None: those of all training images
    void_class=0,  # what 255 counts as in the memory
    variant='all_classes',  # of mIoU: absent classes count 0
)
memory_views = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=False),
    dict(
        type='AreaCrop',
        size=224,
        area=(0.5, 2.0),
        aspect=(3 / 4, 4 / 3),
        interpolation='bilinear',  # of the mask: the nearest pixel
    ),
    dict(type='ColourShift', strength=0.1, prob=0.5),
    dict(type='PackSegInputs'),
]
test_views = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=False),
    # squashed; the mask to the nearest pixel
    dict(
        type='Resize',
        scale=(224, 224),
        keep_ratio=False,
        interpolation='bilinear',
        backend='pillow',
    ),
    dict(type='PackSegInputs'),
]
edit_views = {
    'train_dataloader.batch_size': 64,
    'test_dataloader.batch_size': 64,
    'test_dataloader.dataset.pipeline': test_views,
    'val_dataloader': dict(_delete_=True),
    'val_evaluator': dict(_delete_=True),
    'test_evaluator': dict(_delete_=True),
}
custom_imports = dict(
    imports=['ssl_bench.toolbox.in_context_views'], allow_failed_imports=False
)
