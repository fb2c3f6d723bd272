"""Linear SVMs, one for each class."""

import numpy as np
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.toolbox.voc_ap import average_precision
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.together import dealt, from_all, mine


def ranking_ap(scores: np.ndarray, present: np.ndarray) -> float:
    """Average precision of a ranking, area under the envelope, fraction.

    Args:
        scores (np.ndarray): (N,), higher is more certain.
        present (np.ndarray): (N,) bool, at least one true.
    """
    present = present[np.argsort(-scores, kind='stable')]
    found = np.cumsum(present)
    recall = found / found[-1]
    precision = found / np.arange(1, len(found) + 1)
    return average_precision(recall, precision, 'area')


def svm(
    train: Features,
    test: Features,
    costs: list[float],
    folds: int = 3,
    max_iter: int = 2000,
    jobs: int | None = None,
) -> dict[str, float]:
    """Mean AP of one linear SVM for each class, percent.

    Each process has some of the classes.

    Reference: Goyal et al., ICCV 2019, Sec. 4.1, as in VISSL: L2-normalised
        features, squared hinge, dual, positives weigh 2, cost by
        cross-validated AP. An image with only difficult instances of a
        class is a negative in training and left out of the test.

    Args:
        train, test (Features): Multi-label.
        costs (list[float]): Candidates.
        folds (int): Of the cross-validation.
        max_iter (int): Of the solver.
        jobs (int, optional): Processes that share the folds.

    Raises:
        UserError: A class has too few images.
    """
    bank, queries = (unit_rows(split.features[:]) for split in (train, test))

    def score(label: int) -> float:
        wanted = np.where(train.labels[:, label].numpy() == 1, 1, -1)
        kept = test.labels[:, label].numpy() != -1
        present = test.labels[:, label].numpy()[kept] == 1
        if (wanted == 1).sum() < folds or not present.any():
            raise UserError(
                f'class {label} has {(wanted == 1).sum()} training and '
                f'{present.sum()} test images; the SVM needs {folds} and 1.'
            )
        model = fit_svm(bank, wanted, costs, folds, max_iter, jobs)
        return ranking_ap(model.decision_function(queries[kept]), present)

    labels = mine(range(train.labels.shape[1]))
    scores = dealt(from_all(lambda: [score(label) for label in labels]))
    return dict(mAP=100 * float(np.mean(scores)))


def unit_rows(features: Tensor) -> np.ndarray:
    """(N, D): rows divided by their length plus 1e-5, as VISSL does."""
    divided: np.ndarray = (
        features / (features.norm(dim=1, keepdim=True) + 1e-5)
    ).numpy()
    return divided


def fit_svm(
    features: np.ndarray,
    wanted: np.ndarray,
    costs: list[float],
    folds: int,
    max_iter: int,
    jobs: int | None,
):
    """The SVM of the cost with the best cross-validated AP.

    Args:
        features (np.ndarray): (N, D), normalised.
        wanted (np.ndarray): (N,), 1 or -1.
        costs, folds, max_iter, jobs: As in `svm`.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import cross_val_score
    from sklearn.svm import LinearSVC

    def build(cost: float) -> LinearSVC:
        return LinearSVC(
            C=cost,
            class_weight={1: 2, -1: 1},
            loss='squared_hinge',
            penalty='l2',
            dual=True,
            max_iter=max_iter,
            random_state=0,
        )

    with warnings.catch_warnings():
        # the protocol stops after max_iter, converged or not
        warnings.simplefilter('ignore', ConvergenceWarning)
        means = [
            cross_val_score(
                build(cost),
                features,
                wanted,
                cv=folds,
                scoring='average_precision',
                n_jobs=jobs,
            ).mean()
            for cost in costs
        ]
        return build(costs[int(np.argmax(means))]).fit(features, wanted)
