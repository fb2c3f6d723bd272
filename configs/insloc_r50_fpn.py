# InsLoc R50-FPN (arXiv:2102.08318), 200 epochs, 8 processes of 32. Published:
# COCO Mask R-CNN R50-FPN 1x 41.4 box AP, 37.1 mask AP; 2x 43.2, 38.7.
_base_ = [
    '_base_/models/insloc_fpn.py',
    '_base_/datasets/imagenet_insloc_8xb32.py',
    '_base_/schedules/sgd_coslr_200e.py',
    '_base_/default_runtime.py',
]
method = dict(name='InsLoc', variant='FPN')
