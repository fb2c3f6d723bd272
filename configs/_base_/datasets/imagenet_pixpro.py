# PixPro's views: BYOL's in bilinear crops. Crop rectangles and flips are
# passed on: the loss matches positions.
_base_ = 'imagenet_byol.py'

edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*.interpolation': (
        'bilinear'
    )
}
