# A linear layer on frozen features, VOC12, with the recipe that DINOv3
# released for ADE20K; the one for these data was not (docs/protocols.md).
TASK = dict(
    id='voc12_linseg_dinov3',
    title='VOC12 linear, DINOv3',
    group='segmentation',
    order=100,
    toolbox='mmseg',
    dataset='voc12',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv3 (Siméoni et al., 2025, Table 3 and App. D.1)',
)
_base_ = ['./voc12_linseg_dinov2.py', '_base_/linear_segmentation_dinov3.py']
