# InsLoc's views of the embedded images on a canvas of 96 pixels.
_base_ = 'imagenet_insloc_8xb32.py'

# anchors of 16 .. 96 px, as wide against the canvas as the paper's
# (paper: stride 16, scales 2, 4, 8, 16 on 256 px)
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    pin_memory=False,
    dataset=dict(
        data_root='data/mini/imagenet/train',
        pipeline=[
            dict(
                type='InsLocViews',
                canvas=(96, 96),
                size_range=(48, 96),
                anchor_stride=8,
                anchor_scales=(2, 4, 6, 8, 12),
                photometric=_base_.photometric),
            dict(
                type='PackViews',
                fields=('crops', 'flips', 'source_size', 'boxes',
                        'augmented_box'))
        ]))
