"""Masks: a linear layer on frozen maps, and an FCN that is fine-tuned."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.judge.kinds.kind import Kind, Labels, write_list
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.settings import Length, Mode
from ssl_bench.progress import ProgressLine
from ssl_bench.tasks.layouts import PairedMaskLayout
from ssl_bench.tasks.layouts.masks import IGNORED, check_mask, read_mask
from ssl_bench.tasks.layouts.opening import image_size
from ssl_bench.tasks.layouts.unusable import UnusableLabels
from ssl_bench.tasks.own import OwnData, OwnSplit

LINEAR, FCN = 'judge_linseg', 'judge_fcn'
LONG = 4  # a long side is at most so many short ones: 2048 of 512
SLIDE = 2 / 3  # of a window, to the next: 341 of 512
READING = 0.006  # seconds of an image, its mask, and the changes of both
WARMUP = 1 / 25  # of the linear layer's training: 1,500 of 40,000


def read(own: OwnData) -> Labels:
    """Each image has the classes of its mask; every mask is opened.

    Images whose mask a training would skip are left out: on those that are
    held out, a test would stop.
    """
    layout = own.dataset().train[0]
    assert isinstance(layout, PairedMaskLayout)
    names, pairs = layout.names()[0], layout.pairs()[0]
    line = ProgressLine('classes of the masks', len(names))
    found, skipped = {}, []
    for done, name in enumerate(names, 1):
        image, mask = pairs[name]
        try:
            found[name] = _classes(image, mask, len(own.classes))
        except (UnusableLabels, OSError):
            skipped.append(name)
        line.update(done)
    line.stop()
    if skipped:
        logging.getLogger(__name__).warning(
            '%s of %s training images are left out: their masks cannot be '
            'used, first %s.',
            len(skipped),
            len(names),
            skipped[0],
        )
    return found


def _classes(image: str, mask: str, classes: int) -> frozenset[int]:
    """That a mask shows.

    Raises:
        UnusableLabels: Training would skip it.
        OSError: The image cannot be read.
    """
    labels = read_mask(mask)
    check_mask(labels, image_size(image)[::-1], classes)
    counts = np.bincount(labels.ravel(), minlength=IGNORED)[:IGNORED]
    return frozenset(np.flatnonzero(counts).tolist())


def write(
    own: OwnData, labels: Labels, names: Sequence[str], path: Path
) -> OwnSplit:
    """A list of names."""
    return write_list(own, names, path)


def overrides(
    way: Mode, images: int, rate: float, crop: int, share: float
) -> dict[str, Any]:
    """As `Kind.overrides`.

    Training takes crops of images whose short side is 0.5 to 2 crops;
    testing takes images whose short side is a crop.
    """
    iterations = way.length.iterations(images, share)
    train = 'train_dataloader.dataset.pipeline'
    sides = (LONG * crop, crop)
    both: dict[str, Any] = {
        f'{train}.RandomResize.scale': sides,
        f'{train}.RandomCrop.crop_size': (crop, crop),
        f'{train}.Pad.size': (crop, crop),
        'test_dataloader.dataset.pipeline.Resize.scale': sides,
        'model.data_preprocessor.size': (crop, crop),
        'optim_wrapper.optimizer.lr': rate,
        'train_cfg.max_iters': iterations,
        'train_cfg.val_interval': iterations,
        'default_hooks.checkpoint.interval': iterations,
    }
    if way.task == FCN:
        return {**both, 'param_scheduler.PolyLR.end': iterations}
    del both[f'{train}.Pad.size']  # the preprocessor pads
    warmup = max(round(WARMUP * iterations), 1)
    step = max(round(SLIDE * crop), 1)
    return {
        **both,
        'model.test_cfg.crop_size': (crop, crop),
        'model.test_cfg.stride': (step, step),
        'checkpoint_choice.every': iterations,
        'param_scheduler.OfficialRate': dict(warmup=warmup, end=iterations),
    }


KIND = Kind(
    'masks',
    {
        FROZEN: Mode(
            LINEAR,
            (1e-3, 5e-3, 2.5e-2),
            Length(10, 60, 5000, 8),
            cost=1.2,
            test_cost=2.0,  # windows that overlap
            reading=READING,
        ),
        FINE_TUNED: Mode(
            FCN,
            (1e-4, 5e-4, 2.5e-3),
            Length(10, 60, 5000, 8),
            test_cost=1.4,  # the long side is whole
            reading=READING,
        ),
    },
    read,
    write,
    overrides,
    largest=256,
)
