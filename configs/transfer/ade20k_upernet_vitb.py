# UPerNet on ViT-B/16, ADE20K. mmseg's MAE config, which SiameseIM says it
# follows; MAE found rate and layer decay by a sweep: report them with a
# result (docs/protocols.md).
TASK = dict(
    id='ade20k_upernet_vitb',
    title='ADE20K UPerNet, ViT-B',
    group='segmentation',
    order=90,
    toolbox='mmseg',
    dataset='ade20k',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source='MAE (He et al., CVPR 2022, App. A.4)',
)
_base_ = [
    'mmseg::mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py',
    '_base_/seg_runtime.py',
]

model = dict(
    pretrained=None,  # the backbone file is loaded after building
    # the position table has one size: images shorter than the window are
    # padded. Stock raises an error
    data_preprocessor=dict(test_cfg=dict(size=_base_.crop_size)),
)
# the stock file's `fp16` has no effect
optim_wrapper = dict(type='AmpOptimWrapper')
val_cfg = None  # one evaluation, at the end; stock every 16000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 devices x 2
