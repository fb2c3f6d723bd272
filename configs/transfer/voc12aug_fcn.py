# FCN R50-D8 on VOC12 + aug, protocol (a) of transfer_protocols, section 3:
# DenseCL and the OpenMMLab benchmarks. mmseg's config but for the stem, which
# a pretraining checkpoint must find as it was trained: one 7x7 convolution.
_base_ = [
    'mmseg::_base_/models/fcn_r50-d8.py',
    'mmseg::_base_/datasets/pascal_voc12_aug.py',
    'mmseg::_base_/schedules/schedule_20k.py', '_base_/seg_runtime.py'
]
crop_size = (512, 512)
model = dict(
    data_preprocessor=dict(size=crop_size),
    pretrained=None,  # the backbone file is loaded after building
    backbone=dict(type='ResNet'),  # stock ResNetV1c: three 3x3 convolutions
    decode_head=dict(num_classes=21),
    auxiliary_head=dict(num_classes=21))
val_cfg = None  # one evaluation, at the end; stock every 2000
val_dataloader = None
val_evaluator = None
auto_scale_lr = dict(enable=False, base_batch_size=16)  # 4 devices x 4
# method, metric, published value, tolerance
expected = [('MoCo v2 200', 'mIoU', 67.5, 1.0),
            ('DenseCL 200', 'mIoU', 69.4, 1.0)]
