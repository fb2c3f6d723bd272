# k nearest patches as CAPI has them. What is chosen is chosen by mIoU on a
# part of the training images.
_base_ = 'patch_maps.py'

probe = dict(
    type='patch_knn',
    neighbours=[1, 3, 10, 30],
    metrics=['cosine', 'L2'],
    variant='present',  # of mIoU, at the choice too: classes that occur or
    # are predicted, an ignored one included, which counts 0
    validation=0.1,
    split_seed=0,  # CAPI's has none
    standardise=True,  # by the training images that are not held out
)
