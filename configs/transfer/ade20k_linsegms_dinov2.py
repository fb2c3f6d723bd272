# A linear layer on four frozen layers, several test scales, ADE20K: the
# `+ms` of DINOv2, approximate (docs/protocols.md).
TASK = dict(
    id='ade20k_linsegms_dinov2',
    title='ADE20K linear +ms, DINOv2',
    group='segmentation',
    order=101,
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
_base_ = ['./ade20k_linseg_dinov2.py', '_base_/linear_segmentation_ms.py']
views = 'test_dataloader.dataset.pipeline.TestTimeAug.transforms'
edit = {f'{views}.LoadAnnotations.reduce_zero_label': True}
