"""Scores of frozen features: neighbours, SVMs, linear classifiers."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.device import get_device
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.toolbox.voc_ap import average_precision
from ssl_bench.transfer.features import Features, StoredFeatures
from ssl_bench.transfer.together import dealt, from_all, mine, on_main_process

QUERIES, BLOCK = 512, 8192  # rows that meet in one product


def nearest(
    train: Features, queries: list[Tensor], neighbours: int
) -> list[tuple[Tensor, Tensor]]:
    """Cosines and labels of the nearest training images.

    The training features are read once, in blocks.

    Args:
        train (Features): Normalised here.
        queries (list[Tensor]): (Q, D) of unit length each.
        neighbours (int): k.

    Returns:
        list[tuple[Tensor, Tensor]]: For each of ``queries`` (Q, k) and
        (Q, k), the nearest first.
    """
    if not queries:
        return []
    best: list[tuple[Tensor, Tensor]] = []
    device = queries[0].device
    for start in range(0, len(train.labels), BLOCK):
        rows = train.features[start : start + BLOCK].to(device)  # (b, D)
        labels = train.labels[start : start + BLOCK].to(device)
        bank = F.normalize(rows, dim=1).T
        for number, query in enumerate(queries):
            found, index = (query @ bank).topk(
                min(neighbours, len(labels)), dim=1
            )
            label = labels[index]
            if not start:
                best.append((found, label))
                continue
            found = torch.cat([best[number][0], found], dim=1)
            label = torch.cat([best[number][1], label], dim=1)
            found, index = found.topk(min(neighbours, found.shape[1]), dim=1)
            best[number] = found, label.gather(1, index)
    return best


def votes_of(
    similarity: Tensor, labels: Tensor, classes: int, temperature: float
) -> Tensor:
    """Votes of neighbours.

    Reference: Wu et al., CVPR 2018, Sec. 3.4: each of the k nearest gives
        its class exp(cosine / temperature).

    Args:
        similarity (Tensor): (Q, k) cosines.
        labels (Tensor): (Q, k).
        classes (int): C.
        temperature (float): 0.07 in the paper.

    Returns:
        Tensor: (Q, C) sums of weights.
    """
    weight = (similarity / temperature).exp()  # (Q, k)
    return weight.new_zeros(len(weight), classes).scatter_add_(
        1, labels, weight
    )


def knn(
    train: Features,
    test: Features,
    neighbours: list,
    headline: int,
    temperature: float = 0.07,
) -> dict[str, float]:
    """Top-1 for several k, percent.

    Each process has a part of the queries, in the products that one process
    would form: the numbers are the same.

    Args:
        train, test (Features): With class indices.
        neighbours (list[int]): Every k that is reported, as ``top1_kK``.
        headline (int): The k that is ``top1``.
        temperature (float): Of the vote.

    Raises:
        UserError: More neighbours than training images.
    """
    every = sorted({*neighbours, headline})
    if every[-1] > len(train.labels):
        raise UserError(
            f'{every[-1]} neighbours asked of {len(train.labels)} '
            'training images; lower probe.neighbours.'
        )
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    parts = [
        slice(start, start + QUERIES)
        for start in mine(range(0, len(test.labels), QUERIES))
    ]
    queries = [
        F.normalize(test.features[part].to(get_device()), dim=1)
        for part in parts
    ]
    right = dict.fromkeys(every, 0)
    for part, (similarity, labels) in zip(
        parts, nearest(train, queries, every[-1])
    ):
        wanted = test.labels[part].to(labels.device)
        for k in every:
            votes = votes_of(
                similarity[:, :k], labels[:, :k], classes, temperature
            )
            right[k] += int((votes.argmax(dim=1) == wanted).sum())
    counts = from_all(lambda: right)
    top1 = {
        k: 100 * (sum(count[k] for count in counts) / len(test.labels))
        for k in every
    }
    return dict(
        top1=top1[headline],
        **{f'top1_k{k}': value for k, value in top1.items()},
    )


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


def linear(
    train: Features,
    test: Features,
    rates: list[float],
    epochs: int,
    batch_size: int,
    momentum: float = 0.9,
    seed: int = 0,
) -> dict[str, float]:
    """Top-1 of a linear layer trained by SGD, percent.

    It is quick and no paper's protocol: the features are those of images
    without augmentation. Each rate is tried on nine tenths of the training
    features; the one with the best top-1 on the other tenth (the first of
    several) is then trained on all of them. Each process tries some of the
    rates; the first trains the last layer.

    Args:
        train, test (Features): With class indices.
        rates (list[float]): Learning rates, each going to 0 by a cosine.
        epochs (int): Over the training features.
        batch_size (int): Features a step.
        momentum (float): Of SGD; there is no weight decay.
        seed (int): Decides which tenth is held out, and the order.

    Returns:
        dict: ``top1``; after a slash, the rate and what each one gave on
        the features held out.

    Raises:
        UserError: Fewer than ten training images, no positive rate, or
            every rate diverged.
    """
    count = len(train.labels)
    if not rates or min(rates) <= 0:
        raise UserError(
            f'probe.rates must be learning rates above 0, got {list(rates)}.'
        )
    if count < 10:
        raise UserError(
            f'{count} training images leave no tenth to choose '
            'the learning rate by; the linear probe needs 10.'
        )
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    order = torch.randperm(
        count, generator=torch.Generator().manual_seed(seed)
    )
    held_out, used = order.tensor_split([count // 10])
    steps = (epochs, batch_size, momentum, seed)

    def tried() -> list[float]:
        layers = fit_linear(train, used, mine(list(rates)), classes, *steps)
        return [top1(layer, train, held_out) for layer in layers]

    found = dealt(from_all(tried))
    best = max(range(len(rates)), key=found.__getitem__)
    if found[best] < 0:
        raise UserError(
            f'the linear probe diverged at every rate of '
            f'{list(rates)}; add lower ones to probe.rates.'
        )

    def final() -> float:
        layer = fit_linear(train, order, [rates[best]], classes, *steps)[0]
        found = top1(layer, test, torch.arange(len(test.labels)))
        if found < 0:
            raise UserError(
                f'the linear probe diverged at the rate {rates[best]:g} on '
                'all training images, but not on nine tenths of them; leave '
                'it out of probe.rates.'
            )
        return found

    return {
        'top1': on_main_process(final),
        'chosen/rate': float(rates[best]),
        **{
            f'held_out/top1_rate{rate:g}': value
            for rate, value in zip(rates, found)
        },
    }


class Standardise(nn.Module):
    """Features of zero mean and of mean squared length 1.

    The same rates then suit every width and every method. A channel that
    does not vary stays near 0.

    Args:
        features (Tensor | StoredFeatures): (N, D), what mean and variance
            are taken of.
        index (Tensor): (M,), the rows that are.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, features: Tensor | StoredFeatures, index: Tensor
    ) -> None:
        super().__init__()
        chunks = index.split(4096)  # so that all are never copied
        total = torch.zeros(features.shape[1], dtype=torch.float64)
        mean = sum((features[c].double().sum(0) for c in chunks), total)
        mean = mean / len(index)  # (D,)
        var = sum(
            ((features[c].double() - mean).square().sum(0) for c in chunks),
            total,
        )
        var = var / len(index)  # (D,)
        scale = ((var + 1e-6) * features.shape[1]).rsqrt()  # (D,)
        self.register_buffer('mean', mean.float())
        self.register_buffer('scale', scale.float())

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to the same."""
        return (x - self.mean) * self.scale


def fit_linear(
    train: Features,
    index: Tensor,
    rates: list[float],
    classes: int,
    epochs: int,
    batch_size: int,
    momentum: float,
    seed: int,
) -> list[nn.Module]:
    """One linear layer for each rate, trained on the same batches.

    Args:
        train (Features): N rows.
        index (Tensor): (M,), the rows to train on.
        classes (int): C.
        rates, epochs, batch_size, momentum, seed: As in `linear`.

    Returns:
        list[nn.Module]: From features to (B, C) logits, in `rates`' order.
    """
    if not rates:
        return []
    device = get_device()
    scaling = Standardise(train.features, index).to(device)
    layers = nn.ModuleList(
        nn.Linear(train.features.shape[1], classes) for _ in rates
    ).to(device)
    for value in layers.parameters():
        nn.init.zeros_(value)
    optimizer = torch.optim.SGD(
        [
            dict(params=layer.parameters(), lr=rate)
            for layer, rate in zip(layers, rates)
        ],
        lr=0.0,
        momentum=momentum,
    )
    steps = epochs * -(-len(index) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        order = index[torch.randperm(len(index), generator=generator)]
        for x, label in batches(train, order, batch_size, device):
            x = scaling(x)  # (B, D)
            losses = [F.cross_entropy(layer(x), label) for layer in layers]
            optimizer.zero_grad()
            # a layer's gradient is of its own term alone
            torch.stack(losses).sum().backward()
            optimizer.step()
            schedule.step()
    return [nn.Sequential(scaling, layer) for layer in layers]


def batches(
    split: Features, index: Tensor, size: int, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of the rows of an index, in turn."""
    for chunk in index.split(size):
        yield (
            split.features[chunk].to(device),
            split.labels[chunk].to(device),
        )


@torch.no_grad()
def top1(layer: nn.Module, split: Features, index: Tensor) -> float:
    """Percent of some rows that a layer gets right; -1 if it diverged."""
    if not all(value.isfinite().all() for value in layer.parameters()):
        return -1.0
    device = get_device()
    right = sum(
        int((layer(x).argmax(dim=1) == label).sum())
        for x, label in batches(split, index, 4096, device)
    )
    return 100 * right / len(index)
