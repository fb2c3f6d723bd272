# A linear layer on frozen features, ADE20K, as DINOv3 has it: what differs
# from DINOv2's (docs/protocols.md).
TASK = dict(
    id='ade20k_linseg_dinov3',
    title='ADE20K linear, DINOv3',
    group='segmentation',
    order=95,
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
_base_ = './ade20k_linseg_dinov2.py'

model = dict(
    maps=dict(padding='cut'),
    decode_head=dict(dropout_ratio=0.1),  # before the norm
)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-3))
edit = {
    'param_scheduler.OfficialRate.rule': 'dinov3_segmentation',
    # bilinear with antialiasing
    'train_dataloader.dataset.pipeline.RandomResize.backend': 'pillow',
    'test_dataloader.dataset.pipeline.Resize.backend': 'pillow',
    # of 0 to 179: half a circle to both sides
    'train_dataloader.dataset.pipeline.PhotoMetricDistortion.hue_delta': 90,
}
recipes = dict(
    # the paper's size for patches of 14 pixels: as many as 512 has of 16
    patch14={
        'model.data_preprocessor.size': (448, 448),
        'model.test_cfg.crop_size': (448, 448),
        'model.test_cfg.stride': (298, 298),
        'train_dataloader.dataset.pipeline.RandomResize.scale': (
            99999999,
            448,
        ),
        'train_dataloader.dataset.pipeline.RandomCrop.crop_size': (448, 448),
        'test_dataloader.dataset.pipeline.Resize.scale': (99999999, 448),
    }
)
