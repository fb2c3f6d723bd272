# A linear layer on frozen features, Cityscapes, as DINOv2 has it; its
# config was never released (docs/protocols.md).
TASK = dict(
    id='cityscapes_linseg_dinov2',
    title='Cityscapes linear, DINOv2',
    group='segmentation',
    order=93,
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
_base_ = [
    'mmseg::_base_/datasets/cityscapes.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/linear_segmentation.py',
]
model = dict(decode_head=dict(num_classes=19))
