# The embedded devkit's images with masks, nine classes.
_base_ = 'mini.py'

mini_set = dict(
    type='BaseSegDataset',
    data_root='data/mini/VOCdevkit/VOC2012',
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
    img_suffix='.jpg',
    seg_map_suffix='.png',
    metainfo=dict(
        classes=('background', *_base_.mini_classes),
        palette=[(0, 0, 0), *_base_.mini_palette],
    ),
)
