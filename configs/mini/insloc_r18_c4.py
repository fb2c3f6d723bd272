# InsLoc-C4 on the embedded images: the mini FPN recipe, on one level, and RoIs
# of 7x7. Of a 64 pixel view a map of stride 16 has 4x4 cells, too few to tell
# a pasted box from what surrounds it: the backbone's last stage keeps 8x8.
_base_ = './insloc_r18_fpn.py'
method = dict(variant='C4')
model = dict(
    backbone=dict(
        num_stages=3, strides=(1, 2, 1), dilations=(1, 1, 1), out_indices=(2,)
    ),
    neck=None,
    roi_head=dict(
        strides=(8,),
        roi_size=7,
        shared_head=dict(type='InsLocRes5', depth=18, base_channels=16),
        bbox_head=dict(
            in_channels=128, pool=True, num_convs=0, num_fcs=1, fc_channels=128
        ),
    ),
    augmented_levels=(0,),
)
