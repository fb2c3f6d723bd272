# InsLoc R50-C4 (arXiv:2102.08318), 200 epochs, 8 processes of 32. Published:
# COCO Mask R-CNN R50-C4 1x 39.5 box AP, 34.5 mask AP; 2x 41.4, 35.9.
_base_ = [
    '_base_/models/insloc_c4.py',
    '_base_/datasets/imagenet_insloc_8xb32.py',
    '_base_/schedules/sgd_coslr_200e.py',
    '_base_/default_runtime.py',
]
method = dict(name='InsLoc', variant='C4')
