# in1k_logreg_dinov2 on the embedded image folder: the features of mini_knn,
# a few values of C.
TASK = dict(
    id='mini_logreg',
    title='Mini logistic',
    group='features',
    order=315,
    toolbox='probe',
    dataset='mini_imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='in1k_logreg_dinov2, scaled down',
)
_base_ = './mini_knn.py'

probe = dict(
    _delete_=True,
    type='logistic_sweep',
    vit_pool='patch_mean',
    precision='float32',
    costs=[1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0],
    share=0.1,
    split_seed=0,
    memory=5,
    iterations=200,
    tol=1e-6,
    line_search=50,
    solver_precision='float64',
    warm_start=True,
)
