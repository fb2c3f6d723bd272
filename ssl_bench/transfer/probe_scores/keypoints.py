"""Key points of an image, found in another one by their features."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from torch import Tensor

from ssl_bench.engine.progress import ProgressLine
from ssl_bench.frozen_dense.keypoints import (
    at_pixels,
    match_cells,
    nearest_pixels,
    pixel_lengths,
    recalled,
    right_points,
)
from ssl_bench.tasks.layouts.spair import Pair, Paired, PairedImage
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.together import from_all, mine

# the source's map, and the pair, to how many of its points are found
Judge = Callable[[Tensor, Pair], int]


def pck(test: Features, *, paired: Paired, share: float) -> dict[str, float]:
    """Percentage of correct key points, DIFT's form.

    Maps are resized to the images' own sizes; a point is where the cosine is
    largest of all pixels, and right within a share of the longer side of the
    target's box.

    Reference: Tang et al., NeurIPS 2023 (DIFT).

    Args:
        test (Features): Of patches.
        paired (Paired): The images and their pairs.
        share (float): Of the box.

    Returns:
        dict: Percent: ``PCK@<share>`` over all points, and
        ``PCK@<share>_image``, the mean over pairs; each also of every
        category, after a slash.
    """
    images, pairs = paired

    def target(grid: Tensor, image: PairedImage) -> Judge:
        width, height = image.size
        lengths = pixel_lengths(grid, height, width)

        def judge(source: Tensor, pair: Pair) -> int:
            points, truth = _points(pair, grid.device)
            size = images[pair.source].size[::-1]
            vectors = at_pixels(source, points, size)
            found = nearest_pixels(vectors, grid, lengths)
            return int(right_points(found, truth, pair.box, share).sum())

        return judge

    right, total = judged(test, paired, target)
    of_pair = right / total
    name = pck_name(share)
    found = {name: right.sum() / total.sum(), f'{name}_image': of_pair.mean()}
    for category, rows in by_category(pairs).items():
        found[f'{name}/{category}'] = right[rows].sum() / total[rows].sum()
        found[f'{name}_image/{category}'] = of_pair[rows].mean()
    return percent(found)


def recall(
    test: Features, *, paired: Paired, share: float
) -> dict[str, float]:
    """Recall of key points, the form of Probe3D, which DINOv3 takes.

    On the grid of patches: a point is the cell with the largest cosine, and
    right if nearer than a share of the target's box. Points and grids are
    shares of the images' sides.

    Reference: El Banani et al., CVPR 2024 (Probe3D).

    Args:
        test (Features): Of patches.
        paired (Paired): The images and their pairs.
        share (float): Of the box.

    Returns:
        dict: Percent: ``recall@<share>``, the mean over the categories; that
        of each category, over its points, after a slash.
    """
    images, pairs = paired

    def target(grid: Tensor, image: PairedImage) -> Judge:
        sides = torch.tensor(image.size, dtype=torch.float64)

        def judge(source: Tensor, pair: Pair) -> int:
            points, truth = _points(pair, torch.device('cpu'))
            own_sides = torch.tensor(images[pair.source].size)
            found = match_cells(
                source, grid, (points / own_sides).to(grid)
            ).cpu()
            x1, y1, x2, y2 = pair.box
            box = max(x2 - x1, y2 - y1) / max(image.size)
            right = recalled(found.double(), truth / sides, box, share)
            return int(right.sum())

        return judge

    right, total = judged(test, paired, target)
    name = recall_name(share)
    of_category = {
        f'{name}/{category}': right[rows].sum() / total[rows].sum()
        for category, rows in by_category(pairs).items()
    }
    mean = np.mean(list(of_category.values()))
    return percent({name: mean, **of_category})


def pck_name(share: float) -> str:
    """Of `pck`."""
    return f'PCK@{share:g}'


def recall_name(share: float) -> str:
    """Of `recall`."""
    return f'recall@{share:g}'


def judged(
    test: Features,
    paired: Paired,
    target: Callable[[Tensor, PairedImage], Judge],
) -> tuple[np.ndarray, np.ndarray]:
    """How many points of each pair are found, and how many there are.

    Pairs are taken by target, whose map is prepared once; the targets are
    dealt to the processes.

    Args:
        test (Features): Of patches.
        paired (Paired): Images and pairs.
        target (Callable): From a target's map (D, h, w) and image to what
            judges its pairs.

    Returns:
        tuple: Two arrays (N,), float64, of the N pairs.
    """
    images, pairs = paired
    of_target = defaultdict(list)
    for number, pair in enumerate(pairs):
        of_target[pair.target].append(number)
    own = mine(sorted(of_target))
    line = ProgressLine('pairs', sum(len(of_target[i]) for i in own))
    found: dict[int, int] = {}
    for index in own:
        judge = target(map_of(test, index), images[index])
        for number in of_target[index]:
            source = map_of(test, pairs[number].source)
            found[number] = judge(source, pairs[number])
        line.update(len(found))
    right = np.zeros(len(pairs))
    for part in from_all(lambda: found):
        right[list(part)] = list(part.values())
    total = np.array([len(pair.source_points) for pair in pairs], float)
    return right, total


def map_of(test: Features, index: int) -> Tensor:
    """The map of an image, (D, h, w), on this process's device.

    Raises:
        ValueError: The features are not of patches.
    """
    if test.grid is None:
        raise ValueError('key points need the features of patches')
    height, width = test.grid
    count = height * width
    rows = test.features[index * count : (index + 1) * count]
    return rows.to(get_device()).T.reshape(-1, height, width)


def by_category(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """Which pairs each category has, in alphabetical order."""
    found = defaultdict(list)
    for number, pair in enumerate(pairs):
        found[pair.category].append(number)
    return dict(sorted(found.items()))


def percent(values: Mapping[str, Any]) -> dict[str, float]:
    """Shares as percent."""
    return {name: 100 * float(value) for name, value in values.items()}


def _points(pair: Pair, device: torch.device) -> tuple[Tensor, Tensor]:
    """(P, 2) x, y of the source and of the target."""
    source, target = (
        torch.tensor(points, device=device)
        for points in (pair.source_points, pair.target_points)
    )
    return source, target
