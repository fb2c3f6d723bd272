"""Rows of patches and their labels, which probes of patches share.

Features and masks stay on disk; what is computed of all of them is computed
in blocks, each process some of them, and is the same for any number of
processes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.miou import accuracies, miou, require_pixels
from ssl_bench.frozen_dense.patches import METRICS, Standard, most_frequent
from ssl_bench.transfer.features import Features, StoredMasks
from ssl_bench.transfer.together import dealt, from_all, mine

ROWS = 8192  # of a block
LANES = 16  # sums that processes share
HELD_OUT, TEST = 'held-out training', 'test'  # images, in messages
LABELS = 256  # of masks; what is ignored can be predicted too


class Patches:
    """The patches of some images of a split, in the order of the images.

    Args:
        split (Features): Features of patches, with masks.
        images (np.ndarray, optional): Which images; all when None.

    Attributes:
        rows (Tensor): (N,) int64, their rows among those of the split.
        pixels (int): M, of a patch.
    """

    def __init__(
        self, split: Features, images: np.ndarray | None = None
    ) -> None:
        if split.grid is None:
            raise ValueError('these are no features of patches.')
        self.split = split
        height, width = split.grid
        shape = split.labels.shape[1:]
        self.side = shape[0] // height
        if (height * self.side, width * self.side) != tuple(shape):
            raise UserError(
                f'masks of {shape[0]}x{shape[1]} pixels for {height}x{width} '
                'patches: a patch must be a square of whole pixels.'
            )
        self.pixels = self.side**2
        if images is None:
            images = np.arange(len(split.labels))
        count = height * width
        rows = np.sort(images)[:, None] * count + np.arange(count)
        self.rows = torch.from_numpy(rows.reshape(-1))

    def __len__(self) -> int:
        return len(self.rows)

    def keep(self, kept: Tensor) -> 'Patches':
        """Those of a mask (N,) alone."""
        some = Patches(self.split, np.arange(0))
        some.rows = self.rows[kept]
        return some

    def features(self, part: slice) -> Tensor:
        """Some rows, (n, D)."""
        return self.split.features[self.rows[part]]

    def labels(self, places: Tensor) -> Tensor:
        """Label pixels of some patches by their places here, (n, M)."""
        rows, masks = self.rows[places].numpy(), self.split.labels
        height, width = self.split.grid or (0, 0)
        image, place = np.divmod(rows, height * width)
        y, x = np.divmod(place, width)
        if isinstance(masks, StoredMasks):
            found = masks.squares(image, y, x, self.side)
        else:
            found = squares(masks.numpy(), image, y, x, self.side)
        return torch.from_numpy(found.reshape(len(rows), self.pixels))

    def parts(self) -> list[slice]:
        """All rows, in blocks."""
        return blocks(len(self), ROWS)

    def most_frequent(self) -> Tensor:
        """Label of each patch, (N,) uint8; of several the smallest."""

        def own() -> Tensor:
            found = torch.zeros(len(self), dtype=torch.uint8)
            for part in mine(self.parts()):
                found[part] = most_frequent(self.labels(places(part)))
            return found

        return torch.stack(from_all(own)).sum(0, dtype=torch.uint8)

    def standard(self) -> Standard:
        """Mean and deviation of each channel, (D,) float64."""
        count = len(self)
        mean = self._total(lambda x: x) / count
        std = (self._total(lambda x: (x - mean).square()) / count).sqrt()
        return Standard(mean, torch.where(std == 0, 1, std))

    def _total(self, value: Callable[[Tensor], Tensor]) -> Tensor:
        """Sum over all rows, (D,), of a value of rows in float64.

        Blocks are dealt to lanes, and lanes to processes, so that it is the
        same for any number of them.
        """
        parts, width = self.parts(), self.split.features.shape[1]

        def own() -> Tensor:
            # made first: small results that stay, between large ones that
            # go, split up the memory
            lanes = torch.zeros(LANES, width, dtype=torch.float64)
            for lane in mine(range(LANES)):
                for part in parts[lane::LANES]:
                    lanes[lane] += value(self.features(part).double()).sum(0)
            return lanes

        return torch.stack(from_all(own)).sum(0).sum(0)


def blocks(count: int, size: int) -> list[slice]:
    """Places 0 to ``count`` in blocks."""
    return [
        slice(start, min(start + size, count))
        for start in range(0, count, size)
    ]


def places(part: slice) -> Tensor:
    """A block's places, (n,)."""
    return torch.arange(part.start, part.stop)


def in_parts(
    parts: Sequence[slice], make: Callable[[slice], Tensor]
) -> list[Tensor]:
    """A result for each block; each process computes some of them."""
    found: list[Tensor] = dealt(
        from_all(lambda: [make(part) for part in mine(parts)])
    )
    return found


def squares(
    masks: np.ndarray, image: np.ndarray, y: np.ndarray, x: np.ndarray, p: int
) -> np.ndarray:
    """Squares of p x p pixels, (n, p, p), of masks (N, H, W).

    Args:
        masks (np.ndarray): In memory or mapped.
        image, y, x (np.ndarray): (n,) each: mask, and place on its grid.
        p (int): Pixels.
    """
    count, height, width = masks.shape
    cells = masks.reshape(count, height // p, p, width // p, p)
    found: np.ndarray = cells[image, y, :, x]
    return found


def split_images(
    count: int, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images to learn from and to choose by, rising, (n,) each.

    Reference: CAPI, ``eval_segmentation.py``: the first part of a random
        permutation is held out; there it has no seed.

    Raises:
        UserError: There are none to choose by.
    """
    held_out = math.floor(count * share + 1e-9)
    if share and not held_out:
        raise UserError(
            f'probe.validation={share:g} of {count} training images is no '
            'image to choose by.'
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def check_choice(settings: Mapping[str, Any]) -> None:
    """Check what a probe of patches chooses from.

    Args:
        settings (Mapping): Of the probe, with ``validation``.

    Raises:
        UserError: An unknown metric, nothing to choose from, a share that
            is none, or a choice without images to choose by.
    """
    for name in settings.get('metrics', ()):
        if name not in METRICS:
            raise unknown_name('probe.metrics', str(name), METRICS)
    choices = 1
    for name in ('neighbours', 'metrics', 'costs'):
        if name in settings:
            choices *= len(settings[name])
    if not choices:
        raise UserError(
            'probe.neighbours, probe.metrics and probe.costs need an entry '
            'each.'
        )
    share = settings['validation']
    if not isinstance(share, (int, float)) or not 0 <= share < 1:
        raise UserError(
            'probe.validation must be a share of the training images, 0 or '
            f'more and below 1, not {share!r}.'
        )
    if choices > 1 and not share:
        raise UserError(
            f'probe.validation=0 leaves no image to choose one of {choices} '
            'settings by; write 0.1, or leave a single setting.'
        )


def check_amount(settings: Mapping[str, Any], images: int, count: int) -> None:
    """Check that there are enough patches, before they are extracted.

    Args:
        settings (Mapping): Of the probe, with ``validation``.
        images (int): Of its training set.
        count (int): Patches of each.

    Raises:
        UserError: More neighbours than patches, or no images to choose by.
    """
    share, seed = settings['validation'], settings['split_seed']
    learnt = len(split_images(images, share, seed)[0])
    most = max(settings.get('neighbours', [1]))
    if most > learnt * count:
        raise UserError(
            f'{most} neighbours asked of {learnt * count} training patches '
            f'({learnt} images of {count}); lower probe.neighbours.'
        )


def learnt(patches: Patches, ignore: Sequence[int]) -> tuple[Patches, Tensor]:
    """Patches whose most frequent label counts, with that label, (N,).

    Raises:
        UserError: There are none.
    """
    label = patches.most_frequent()
    kept = ~torch.isin(label, torch.tensor(list(ignore)).to(label))
    if not kept.any():
        raise UserError(
            f'of all {len(kept)} training patches most pixels are ignored.'
        )
    return patches.keep(kept), label[kept]


def scores(
    matrix: Tensor, images: str, classes: int, variant: str
) -> dict[str, float]:
    """mIoU and pixel accuracy of a confusion matrix, percent.

    Args:
        matrix (Tensor): (256, 256); what is ignored can be predicted too.
        images (str): What was counted, for a message.
        classes (int): Of the data set, that ``all_classes`` is a mean over.
        variant (str): Of `ssl_bench.frozen_dense.miou.miou`.

    Raises:
        UserError: No pixel counts.
    """
    require_pixels(matrix, images)
    return dict(
        mIoU=100 * miou(matrix, variant, classes),
        aAcc=100 * accuracies(matrix)[0],
    )
