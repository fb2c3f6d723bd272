# k nearest patches of frozen features, Cityscapes, as CAPI has it
# (docs/protocols.md).
TASK = dict(
    id='cityscapes_knnseg_capi',
    title='Cityscapes kNN segmentation, CAPI',
    group='segmentation',
    order=121,
    toolbox='probe',
    dataset='cityscapes',
    metrics={'mIoU': dict(tolerance=1.0), 'aAcc': dict(tolerance=0.5)},
    shown=['mIoU'],
    source='CAPI (Darcet et al., TMLR 2025, Table 7)',
)
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/patch_images.py',
    '_base_/knn_segmentation.py',
]
probe = dict(classes=19, ignore=[255])
