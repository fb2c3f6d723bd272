# A linear layer on frozen features, VOC12 + aug, as NeCo and Franca have it
# (docs/protocols.md).
TASK = dict(
    id='voc12_linseg_franca',
    title='VOC12 linear, Franca',
    group='segmentation',
    order=106,
    toolbox='mmseg',
    dataset='voc12aug',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='Franca (Venkataramanan et al., 2025, Table 3a); NeCo',
)
_base_ = [
    'mmseg::_base_/datasets/pascal_voc12_aug.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/linear_segmentation_franca.py',
]
model = dict(decode_head=dict(num_classes=21))
edit = {'train_dataloader.dataset.datasets.*.pipeline': _base_.train_steps}
