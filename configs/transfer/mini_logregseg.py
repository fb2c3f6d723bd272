# voc12_logregseg_capi on the embedded devkit: images of 96 pixels.
TASK = dict(
    id='mini_logregseg',
    title='Mini logistic segmentation',
    group='segmentation',
    order=331,
    toolbox='probe',
    dataset='mini_seg',
    metrics={'mIoU': dict(tolerance=1.0), 'aAcc': dict(tolerance=0.5)},
    shown=['mIoU'],
    source='voc12_logregseg_capi, scaled down',
)
_base_ = ['./voc12_logregseg_capi.py', '_base_/mini_patches.py']

probe = dict(
    costs=[1e-3, 0.1], max_iter=50, solver_precision='float32', validation=0.2
)
