# A logistic regression on patches as CAPI has it. What is chosen is chosen by
# mIoU on a part of the training images.
_base_ = 'patch_maps.py'

probe = dict(
    type='patch_logistic',
    costs=[10 ** (-6 + 11 * step / 7) for step in range(8)],
    variant='present',  # of mIoU, at the choice too: classes that occur or
    # are predicted, an ignored one included, which counts 0
    validation=0.1,
    split_seed=0,  # CAPI's has none
    standardise=True,  # by the training images that are not held out
    memory=5,  # pairs of steps and gradients that L-BFGS keeps
    max_iter=1000,
    tol=1e-12,
    line_search=50,  # steps
    solver_precision='float64',
)
