# voc12_linseg_dinov2 trained on train + aug (docs/protocols.md).
TASK = dict(
    id='voc12aug_linseg_dinov2',
    title='VOC12+aug linear, DINOv2',
    group='segmentation',
    order=95,
    toolbox='mmseg',
    dataset='voc12aug',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='DINOv2 (Oquab et al., TMLR 2024, Table 10)',
)
_base_ = './voc12_linseg_dinov2.py'
part = _base_.train_dataloader.dataset
edit = {
    'train_dataloader.dataset': dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            part,
            dict(
                part,
                ann_file='ImageSets/Segmentation/aug.txt',
                data_prefix=dict(
                    img_path='JPEGImages', seg_map_path='SegmentationClassAug'
                ),
            ),
        ],
    )
}
