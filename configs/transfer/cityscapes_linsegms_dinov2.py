# A linear layer on four frozen layers, several test scales, Cityscapes: the
# `+ms` of DINOv2, approximate (docs/protocols.md).
TASK = dict(
    id='cityscapes_linsegms_dinov2',
    title='Cityscapes linear +ms, DINOv2',
    group='segmentation',
    order=102,
    toolbox='mmseg',
    dataset='cityscapes',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 10)',
)
_base_ = ['./cityscapes_linseg_dinov2.py', '_base_/linear_segmentation_ms.py']
