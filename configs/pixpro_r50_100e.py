# PixPro R-50 (arXiv:2011.10043), 100 epochs, 8 processes of 128. Published:
# VOC07+12 C4 58.8 AP; COCO Mask R-CNN R50-FPN 1x 40.8 box, 36.8 mask AP.
# released: the momentum's cosine is 125113 steps long, from the image count
# without padding; here: as long as the run, so that it fits any batch.
_base_ = [
    '_base_/models/pixpro_r50.py',
    '_base_/datasets/imagenet_pixpro.py',
    '_base_/schedules/lars_coslr_pixpro_100e.py',
    '_base_/default_runtime.py',
]
method = dict(name='PixPro')
