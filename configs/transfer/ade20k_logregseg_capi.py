# A logistic regression on frozen patches, ADE20K, as CAPI has it
# (docs/protocols.md).
TASK = dict(
    id='ade20k_logregseg_capi',
    title='ADE20K logistic segmentation, CAPI',
    group='segmentation',
    order=123,
    toolbox='probe',
    dataset='ade20k',
    metrics={'mIoU': dict(tolerance=1.0), 'aAcc': dict(tolerance=0.5)},
    shown=['mIoU'],
    source='CAPI (Darcet et al., TMLR 2025, Table 7)',
)
_base_ = [
    'mmseg::_base_/datasets/ade20k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/patch_images.py',
    '_base_/logistic_segmentation.py',
]
probe = dict(classes=151, ignore=[0, 255])
