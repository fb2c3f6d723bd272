"""Multinomial logistic regression."""

import torch.nn.functional as F
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.together import on_main_process


def logistic(
    train: Features,
    test: Features,
    strength: float = 0.1,
    max_iter: int = 300,
    tol: float = 1e-3,
) -> dict[str, float]:
    """Top-1 of a multinomial logistic regression, percent.

    The first process solves it; the others wait.

    Reference: SiameseIM's few-shot evaluation, after MSN (Assran et al.,
        ECCV 2022): each feature vector less its own mean and divided by its
        norm; no intercept; mean loss + strength / (2 N) |W|^2 over N images.
        Those programs solve it with cyanure, this with L-BFGS: the objective
        is convex, so that the solution is one.

    Args:
        train, test (Features): With class indices.
        strength (float): Of the penalty, times N.
        max_iter (int): Of the solver.
        tol (float): Largest gradient at which it stops.

    Raises:
        UserError: Only one class to learn.
    """
    if len(train.labels.unique()) < 2:
        raise UserError(
            'the training list names a single class; logistic '
            'regression needs two.'
        )
    found: float = on_main_process(
        lambda: fit_logistic(train, test, strength, max_iter, tol)
    )
    return dict(top1=found)


def fit_logistic(
    train: Features, test: Features, strength: float, max_iter: int, tol: float
) -> float:
    """As `logistic`, in one process."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    bank, queries = (
        centred(split.features[:]).numpy() for split in (train, test)
    )
    # scikit-learn: C x summed loss + |W|^2 / 2
    model = LogisticRegression(
        C=1.0 / strength, fit_intercept=False, max_iter=max_iter, tol=tol
    )
    with warnings.catch_warnings():
        # the protocol stops after max_iter, converged or not
        warnings.simplefilter('ignore', ConvergenceWarning)
        model.fit(bank, train.labels.numpy())
    right = model.predict(queries) == test.labels.numpy()
    return 100 * float(right.mean())


def centred(features: Tensor) -> Tensor:
    """(N, D): each row less its mean, of unit length."""
    return F.normalize(features - features.mean(dim=1, keepdim=True), dim=1)
