# FCN R50-D8 on Cityscapes, protocol (a) of transfer_protocols, section 3.
# mmseg's config but for the stem, as in voc12aug_fcn.py.
_base_ = [
    'mmseg::_base_/models/fcn_r50-d8.py',
    'mmseg::_base_/datasets/cityscapes_769x769.py',
    'mmseg::_base_/schedules/schedule_40k.py', '_base_/seg_runtime.py'
]
crop_size = (769, 769)
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,  # the backbone file is loaded after building
    backbone=dict(type='ResNet'),  # stock ResNetV1c: three 3x3 convolutions
    decode_head=dict(align_corners=True),
    auxiliary_head=dict(align_corners=True),
    test_cfg=dict(mode='slide', crop_size=crop_size, stride=(513, 513)))
val_cfg = None  # one evaluation, at the end; stock every 4000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=8)  # 4 devices x 2
expected = []  # no published number read in its source
