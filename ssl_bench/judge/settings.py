"""How the runs of a judgement are made: tasks, image sizes, lengths, rates.

Everything here depends on the data and the architecture alone, so that it is
the same for all weights. docs/judge.md says it in words.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image

from ssl_bench.config import config_dir
from ssl_bench.errors import UserError, one_line
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.tasks.table import read_task, tasks
from ssl_bench.transfer.trained import FULL

CONFIGS = 'judge'  # folder of the configs
LOOKED_AT = 100  # images whose sizes are read
LARGEST = 224  # pixels of a crop
SMALLEST = 32
CROPPED = 0.875  # of the short side in testing: 224 of 256
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
    """

    task: str
    rates: tuple[float, ...]
    length: Length
    cached: bool = False
    train: str = FULL
    recipes: Mapping[str, str] = field(default_factory=dict)

    def recipe_for(self, family: str) -> str | None:
        """The recipe for a family of networks, if it needs one."""
        return self.recipes.get(family)


#: By the kind of data and the mode.
MODES: dict[str, dict[str, Mode]] = dict(
    folders={
        FROZEN: Mode(
            'judge_linear',
            (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
            Length(50, 300, 20000, 64),
            cached=True,
        ),
        FINE_TUNED: Mode(
            'judge_finetune',
            (2e-4, 1e-3, 5e-3),
            Length(10, 60, 5000, 32),
            recipes=dict(vit='vit'),
        ),
    }
)


def modes_of(kind: str) -> dict[str, Mode]:
    """The modes for a kind of data; their tasks can be found from now on."""
    for mode in MODES[kind].values():
        path = config_dir() / CONFIGS / f'{mode.task}.py'
        tasks().add(read_task(path), path)
    return MODES[kind]


def crop_of(images: Sequence[str | Path], patch: int = UNIT) -> int:
    """Side of a square crop for some images, pixels.

    The median short side, at most 224, as the nearest multiple of 16 and of
    the patches of a ViT. In testing it is cut from the middle of an image
    whose short side is an eighth larger.

    Args:
        images (Sequence): Files; some of them are looked at.
        patch (int): Side of a patch of the network.

    Raises:
        UserError: One cannot be read.
    """
    some = random.Random(0).sample(sorted(images), min(len(images), LOOKED_AT))
    side = min(median(map(_short_side, some)), LARGEST)
    unit = math.lcm(UNIT, patch)
    if unit > LARGEST:
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


def overrides_for(
    kind: str, mode: str, images: int, rate: float, crop: int, share: float
) -> dict[str, Any]:
    """Settings of one run, over those of its config.

    Args:
        kind (str): Of the data.
        mode (str): ``frozen`` or ``fine-tuned``.
        images (int): To train on.
        rate (float): Learning rate.
        crop (int): Pixels.
        share (float): Of the length; 1, less for a quick look.
    """
    way = MODES[kind][mode]
    epochs = way.length.epochs(images, share)
    test = 'test_dataloader.dataset.pipeline'
    train = 'train_dataloader.dataset.pipeline'
    sizes: dict[str, Any] = {
        f'{test}.ResizeEdge.scale': round(crop / CROPPED),
        f'{test}.CenterCrop.crop_size': crop,
    }
    if way.cached:
        return {
            **sizes,
            f'{train}.ResizeEdge.scale': round(crop / CROPPED),
            f'{train}.CenterCrop.crop_size': crop,
            'image_size': crop,
            'probe.rates': [rate],
            'probe.epochs': epochs,
        }
    return {
        **sizes,
        f'{train}.RandomResizedCrop.scale': crop,
        'optim_wrapper.optimizer.lr': rate,
        'train_cfg.max_epochs': epochs,
        'param_scheduler.CosineAnnealingLR': dict(T_max=epochs, end=epochs),
    }
