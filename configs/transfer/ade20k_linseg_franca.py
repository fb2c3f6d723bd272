# A linear layer on frozen features, ADE20K with 151 classes, as NeCo and
# Franca have it (docs/protocols.md).
TASK = dict(
    id='ade20k_linseg_franca',
    title='ADE20K linear, Franca',
    group='segmentation',
    order=105,
    toolbox='mmseg',
    dataset='ade20k',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='Franca (Venkataramanan et al., 2025, Table 3a); NeCo',
)
_base_ = [
    'mmseg::_base_/datasets/ade20k.py',
    'mmseg::_base_/default_runtime.py',
    '_base_/linear_segmentation_franca.py',
]
# labels as they are in the files; 0, which is of no class, does not count
every_label = dict(type='ADE20KWithZero', reduce_zero_label=False)
model = dict(
    data_preprocessor=dict(seg_pad_val=0),
    decode_head=dict(num_classes=151, ignore_index=0),
)
edit = {
    'train_dataloader.dataset': every_label,
    'test_dataloader.dataset': every_label,
    'train_dataloader.dataset.pipeline': _base_.train_steps,
    'test_evaluator.ignore': [0],
}
