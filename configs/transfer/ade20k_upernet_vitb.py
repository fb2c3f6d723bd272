# UPerNet on ViT-B/16, ADE20K. mmseg's MAE config, which SiameseIM says it
# follows; rate and layer decay are MAE's, found by a sweep, and are to be
# reported with a result (transfer_protocols, section 3).
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
# method, metric, published value, tolerance
expected = [
    ('MoCo v3', 'mIoU', 47.3, 1.0),
    ('MAE', 'mIoU', 48.1, 1.0),
    ('SiameseIM', 'mIoU', 51.1, 1.0),
]
