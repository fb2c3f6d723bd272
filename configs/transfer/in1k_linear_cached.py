# A linear layer on cached features of images without augmentation: a quick
# sweep that no paper uses; the papers' protocol is in1k_linear. The features
# are those of in1k_knn.
TASK = dict(
    id='in1k_linear_cached',
    title='ImageNet linear, no augmentation',
    group='features',
    order=120,
    toolbox='probe',
    dataset='imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source="no paper's: a quick sweep, unaugmented",
)
_base_ = './in1k_knn.py'

probe = dict(
    _delete_=True,
    type='linear',
    vit_pool='class_token',
    precision='float16',
    # of SGD on standardised features; chosen on a tenth of the training set
    rates=[0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
    epochs=20,
    batch_size=1024,
    momentum=0.9,
)
