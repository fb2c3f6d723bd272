# A linear layer on frozen features, ADE20K, as DINOv3 has it
# (docs/protocols.md).
TASK = dict(
    id='ade20k_linseg_dinov3',
    title='ADE20K linear, DINOv3',
    group='segmentation',
    order=98,
    toolbox='mmseg',
    dataset='ade20k',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv3 (Siméoni et al., 2025, Table 3 and App. D.1)',
)
_base_ = ['./ade20k_linseg_dinov2.py', '_base_/linear_segmentation_dinov3.py']
