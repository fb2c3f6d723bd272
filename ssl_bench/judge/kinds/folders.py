"""Class folders: a layer on cached features, and fine-tuning."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.judge.kinds.kind import Kind, Labels, write_list
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.settings import Length, Mode
from ssl_bench.tasks.own import OwnData, OwnSplit

CROPPED = 0.875  # of the short side in testing: 224 of 256


def read(own: OwnData) -> Labels:
    """Each image has the class of its folder."""
    entries = own.dataset().train[0].read().entries
    root = own.train.images
    return {
        Path(os.path.relpath(entry.image, root)).as_posix(): frozenset(
            [entry.label]
        )
        for entry in entries
    }


def write(
    own: OwnData, labels: Labels, names: Sequence[str], path: Path
) -> OwnSplit:
    """A list of images with their labels."""
    lines = [f'{name} {next(iter(labels[name]))}' for name in names]
    return write_list(own, lines, path)


def overrides(
    way: Mode, images: int, rate: float, crop: int, share: float
) -> dict[str, Any]:
    """As `Kind.overrides`.

    In testing a crop is cut from the middle of an image whose short side is
    an eighth larger.
    """
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


KIND = Kind(
    'class folders',
    {
        FROZEN: Mode(
            'judge_linear',
            (0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
            Length(50, 300, 20000, 64),
            cached=True,
        ),
        FINE_TUNED: Mode(
            'judge_finetune',
            (2e-4, 1e-3, 5e-3),
            Length(10, 40, 5000, 32),
            recipes=dict(vit='vit'),
        ),
    },
    read,
    write,
    overrides,
)
