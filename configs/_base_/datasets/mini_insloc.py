# InsLoc's views of the embedded images: a quarter of the paper's canvas, and
# patches, anchors and blur in proportion.
_base_ = 'imagenet_insloc_8xb32.py'

pretrain_data = 'mini'
photometric = _base_.photometric
photometric[2].update(sigma=(0.1, 0.5))
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    pin_memory=False,
    dataset=dict(
        data_root='data/mini/imagenet/train',
        pipeline=[
            dict(
                type='InsLocViews',
                canvas=(64, 64),
                size_range=(32, 64),
                anchor_stride=4,
                photometric=photometric,
            ),
            dict(
                type='PackViews',
                fields=(
                    'crops',
                    'flips',
                    'source_size',
                    'boxes',
                    'augmented_box',
                ),
            ),
        ],
    ),
)
