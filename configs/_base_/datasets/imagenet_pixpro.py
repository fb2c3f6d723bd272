# PixPro's views: BYOL's in bilinear crops. The crop rectangles and mirrors go
# with them: the loss matches positions.
# released: PIL's blur of boxes; here: the Gaussian, within a grey level
_base_ = 'imagenet_byol.py'

edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*.interpolation': (
        'bilinear'
    )
}
