# A linear layer on four frozen layers, several test scales, VOC12: the
# `+ms` of DINOv2, approximate (docs/protocols.md).
TASK = dict(
    id='voc12_linsegms_dinov2',
    title='VOC12 linear +ms, DINOv2',
    group='segmentation',
    order=103,
    toolbox='mmseg',
    dataset='voc12',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 10)',
)
_base_ = ['./voc12_linseg_dinov2.py', '_base_/linear_segmentation_ms.py']
