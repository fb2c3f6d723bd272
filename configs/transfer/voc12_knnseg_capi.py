# k nearest patches of frozen features, VOC12, as CAPI has it
# (docs/protocols.md).
TASK = dict(
    id='voc12_knnseg_capi',
    title='VOC12 kNN segmentation, CAPI',
    group='segmentation',
    order=122,
    toolbox='probe',
    dataset='voc12',
    metrics={'mIoU': dict(tolerance=1.0), 'aAcc': dict(tolerance=0.5)},
    shown=['mIoU'],
    source='CAPI (Darcet et al., TMLR 2025, Table 7)',
)
_base_ = [
    'mmseg::_base_/datasets/pascal_voc12.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/patch_images.py',
    '_base_/knn_segmentation.py',
]
probe = dict(classes=21, ignore=[255])
