# LEWEL_B's views: PixPro's, from crops of at least a fifth of the area.
_base_ = 'imagenet_pixpro.py'

edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*.scale': (0.2, 1.0)
}
