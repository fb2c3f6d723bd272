"""How the runs of a judgement are made: lengths, rates, image sizes.

Everything here depends on the data and the architecture alone, so that it is
the same for all weights. docs/judge.md says it in words.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from PIL import Image

from ssl_bench.errors import UserError, one_line
from ssl_bench.transfer.trained import FULL

LOOKED_AT = 100  # images whose sizes are read
LARGEST = 224  # pixels of a crop
SMALLEST = 32
UNIT = 16  # a crop is a multiple of it, and of the patches of a ViT


@dataclass(frozen=True)
class Length:
    """How long a training is.

    Args:
        passes (int): Over the images.
        least, most (int): Iterations.
        batch (int): Images of one.
    """

    passes: int
    least: int
    most: int
    batch: int

    def iterations(self, images: int, share: float = 1.0) -> int:
        """For so many images; a share of it for a quick look."""
        found = math.ceil(self.passes * images / self.batch)
        found = min(max(found, self.least), self.most)
        return max(2, round(found * share))

    def epochs(self, images: int, share: float = 1.0) -> int:
        """`iterations` in passes over the images, at least one."""
        steps = math.ceil(images / self.batch)
        return max(1, round(self.iterations(images, share) / steps))

    def seen(self, images: int, share: float = 1.0) -> int:
        """Images in all `iterations` together."""
        return self.iterations(images, share) * self.batch


@dataclass(frozen=True)
class Mode:
    """One of the two ways to use the weights, on one kind of data.

    Args:
        task (str): Its config in configs/judge.
        rates (tuple[float, ...]): Learning rates that are tried.
        length (Length): Of a training.
        cached (bool): Features are extracted once, and a layer trained on
            them.
        train (str): What is trained of the backbone.
        recipes (dict[str, str]): Of the task, by the family of the network.
        cost (float): Of an image in training, in passes of it through the
            network without heads.
        test_cost (float): The same in testing.
        reading (float): Seconds of reading an image.
    """

    task: str
    rates: tuple[float, ...]
    length: Length
    cached: bool = False
    train: str = FULL
    recipes: Mapping[str, str] = field(default_factory=dict)
    cost: float = 3.0
    test_cost: float = 1.0
    reading: float = 0.002

    def recipe_for(self, family: str) -> str | None:
        """The recipe for a family of networks, if it needs one."""
        return self.recipes.get(family)


def crop_of(
    images: Sequence[str | Path], patch: int = UNIT, largest: int = LARGEST
) -> int:
    """Side of a square crop for some images, pixels.

    The median short side, at most the largest, as the nearest multiple of 16
    and of the patches of a ViT.

    Args:
        images (Sequence): Files; some of them are looked at.
        patch (int): Side of a patch of the network.
        largest (int): Side at most.

    Raises:
        UserError: One cannot be read.
    """
    some = random.Random(0).sample(sorted(images), min(len(images), LOOKED_AT))
    side = min(median(map(_short_side, some)), largest)
    unit = math.lcm(UNIT, patch)
    if unit > largest:
        unit = patch
    return max(round(side / unit), math.ceil(SMALLEST / unit)) * unit


def _short_side(path: str | Path) -> int:
    try:
        with Image.open(path) as image:
            return min(image.size)
    except (OSError, ValueError) as error:
        raise UserError(
            f'{path} cannot be read: {one_line(error)}. Repair it or take it '
            'out.'
        ) from error
