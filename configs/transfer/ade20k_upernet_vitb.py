# UPerNet on ViT-B/16, ADE20K. mmseg's MAE config, which SiameseIM says it
# follows; rate and layer decay are MAE's, found by a sweep, and are to be
# reported with a result (transfer_protocols, section 3).
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
_base_ = ['mmseg::mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py']

custom_imports = dict(
    imports=['ssl_bench.toolbox.hooks'], allow_failed_imports=False
)
randomness = dict(seed=0)
model = dict(
    pretrained=None,  # the backbone file is loaded after building
    # the table of positions fits one size: images that are shorter than the
    # window get padding. Stock stops at one
    data_preprocessor=dict(test_cfg=dict(size=_base_.crop_size)),
)
# `fp16` of the stock file does nothing
optim_wrapper = dict(type='AmpOptimWrapper')
val_cfg = None  # one evaluation, at the end; stock every 16000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 8 devices x 2
