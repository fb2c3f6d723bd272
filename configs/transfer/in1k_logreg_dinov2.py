# Multinomial logistic regression on frozen features as DINOv2's
# eval/log_regression.py has it (docs/protocols.md). Its images have a short
# side of 224, so that the features are not in1k_knn's.
TASK = dict(
    id='in1k_logreg_dinov2',
    title='ImageNet logistic, DINOv2',
    group='features',
    order=115,
    toolbox='probe',
    dataset='imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='DINOv2 (Oquab et al., TMLR 2024; eval/log_regression.py)',
)
_base_ = './in1k_knn.py'

probe = dict(
    _delete_=True,
    type='logistic_sweep',
    vit_pool='class_token',
    precision='float32',  # of the features on disk; fitted in float64
    costs=[10 ** (-6 + 11 * i / 44) for i in range(45)],
    share=0.1,  # of the training images, chooses C
    split_seed=0,
    memory=5,
    iterations=1000,
    tol=1e-12,
    line_search=50,
    solver_precision='float64',
    warm_start=True,  # the program starts every C from 0
)
edit = {
    'train_dataloader.dataset.pipeline.ResizeEdge.scale': 224,
    'test_dataloader.dataset.pipeline.ResizeEdge.scale': 224,
}
