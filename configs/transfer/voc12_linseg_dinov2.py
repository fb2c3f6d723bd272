# A linear layer on frozen features, VOC12, as DINOv2 has it
# (docs/protocols.md).
TASK = dict(
    id='voc12_linseg_dinov2',
    title='VOC12 linear, DINOv2',
    group='segmentation',
    order=94,
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
_base_ = [
    'mmseg::_base_/datasets/pascal_voc12.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/linear_segmentation.py',
]
model = dict(decode_head=dict(num_classes=21))
