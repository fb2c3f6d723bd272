# voc12_knnseg_capi on the embedded devkit: images of 96 pixels.
TASK = dict(
    id='mini_knnseg',
    title='Mini kNN segmentation',
    group='segmentation',
    order=330,
    toolbox='probe',
    dataset='mini_seg',
    metrics={'mIoU': dict(tolerance=1.0), 'aAcc': dict(tolerance=0.5)},
    shown=['mIoU'],
    source='voc12_knnseg_capi, scaled down',
)
_base_ = ['./voc12_knnseg_capi.py', '_base_/mini_patches.py']

probe = dict(neighbours=[3, 30], metrics=['cosine', 'L2'], validation=0.2)
