"""A linear layer, trained by SGD."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from mmengine.device import get_device
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.transfer.features import Features, StoredFeatures
from ssl_bench.transfer.together import dealt, from_all, mine, on_main_process


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
    several) is then trained on all of them. A single rate is not tried. Each
    process tries some of the rates; the first trains the last layer.

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
        UserError: Fewer than ten training images for several rates, no
            positive rate, or every rate diverged.
    """
    count = len(train.labels)
    if not rates or min(rates) <= 0:
        raise UserError(
            f'probe.rates must be learning rates above 0, got {list(rates)}.'
        )
    if count < 10 and len(rates) > 1:
        raise UserError(
            f'{count} training images leave no tenth to choose '
            'the learning rate by; the linear probe needs 10.'
        )
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    order = torch.randperm(
        count, generator=torch.Generator().manual_seed(seed)
    )
    held_out, used = order.tensor_split([count // 10])

    def fitted(rows: Tensor, some: list[float]) -> list[nn.Module]:
        return fit_linear(
            train, rows, some, classes, epochs, batch_size, momentum, seed
        )

    def tried() -> list[float]:
        layers = fitted(used, mine(list(rates)))
        return [top1(layer, train, held_out) for layer in layers]

    found = dealt(from_all(tried)) if len(rates) > 1 else []
    rate = rates[best_of(found, rates) if found else 0]

    def final() -> float:
        return top1_or_stop(fitted(order, [rate])[0], test, rate, bool(found))

    return {
        'top1': on_main_process(final),
        'chosen/rate': float(rate),
        **{
            f'held_out/top1_rate{rate:g}': value
            for rate, value in zip(rates, found)
        },
    }


def best_of(scores: list[float], rates: list[float]) -> int:
    """Place of the best score, the first of several.

    Raises:
        UserError: Every rate diverged.
    """
    best = max(range(len(rates)), key=scores.__getitem__)
    if scores[best] < 0:
        raise UserError(
            f'the linear probe diverged at every rate of '
            f'{list(rates)}; add lower ones to probe.rates.'
        )
    return best


def top1_or_stop(
    layer: nn.Module, test: Features, rate: float, tried: bool
) -> float:
    """Percent of the test images that the last layer gets right.

    Args:
        layer (nn.Module): Trained on all training images.
        test (Features): With class indices.
        rate (float): That it was trained at.
        tried (bool): Whether the rate was one of several that were tried.

    Raises:
        UserError: It diverged.
    """
    found = top1(layer, test, torch.arange(len(test.labels)))
    if found < 0:
        raise UserError(
            f'the linear probe diverged at the rate {rate:g} on all training '
            'images'
            + (
                ', but not on nine tenths of them; leave it out of '
                if tried
                else '; name a lower one in '
            )
            + 'probe.rates.'
        )
    return found


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
