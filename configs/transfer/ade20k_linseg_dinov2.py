# A linear layer on frozen features, ADE20K, as DINOv2 has it
# (docs/protocols.md).
TASK = dict(
    id='ade20k_linseg_dinov2',
    title='ADE20K linear, DINOv2',
    group='segmentation',
    order=92,
    toolbox='mmseg',
    dataset='ade20k',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 10)',
)
_base_ = [
    'mmseg::_base_/datasets/ade20k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/linear_segmentation.py',
]
model = dict(decode_head=dict(num_classes=150))
