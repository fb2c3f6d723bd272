# in1k_linear_cached on the embedded image folder: the features of mini_knn.
TASK = dict(
    id='mini_linear_cached',
    title='Mini linear, no augmentation',
    group='features',
    order=320,
    toolbox='probe',
    dataset='mini_imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='in1k_linear_cached, scaled down',
)
_base_ = './mini_knn.py'

probe = dict(
    _delete_=True,
    type='linear',
    vit_pool='patch_mean',
    rates=[0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
    epochs=50,
    batch_size=80,
    momentum=0.9,
)
