"""What the missing part of a suite costs, as far as a source says.

The cost of a transfer is in its task (`tasks.table.Task`), that of a
pretraining here: papers state it for few methods.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ssl_bench.launch.suite import Run
from ssl_bench.tasks.table import find_task

SHOWN = 4  # names in a line about what no source states


class Cost(NamedTuple):
    """A pretraining whose cost somebody states.

    Args:
        gpu_hours (float): Summed over the GPUs.
        epochs (int): Of that run; other lengths cost in proportion.
        source (str): Who states what, on which GPUs.
    """

    gpu_hours: float
    epochs: int
    source: str


# By the config's name without its epochs.
PRETRAINING: dict[str, Cost] = {
    **dict.fromkeys(
        ('mocov1_r50', 'mocov2_r50'),
        Cost(53 * 8, 200, '53 hours on 8 V100 (facebookresearch/moco)'),
    ),
    'swav_r50': Cost(
        200 * 52.17 / 60 * 4,
        200,
        '52min10s per epoch on 4 GPUs (facebookresearch/swav)',
    ),
    'byol_r50': Cost(
        113 * 32, 1000, '113 hours on 32 V100 (Barlow Twins, Sec. 2.2)'
    ),
    'barlow_twins_r50': Cost(
        7 * 24 * 16,
        1000,
        'about 7 days on 16 V100 (facebookresearch/barlowtwins)',
    ),
}

# What embedded data take, by config or task: seconds in one of two places on
# two cores, measured.
SECONDS = {
    'mocov2_r18_10e': 30,
    'insloc_r18_fpn_15e': 60,
    'mini_coco_mrcnn_fpn': 130,
    'mini_seg_fcn': 60,
    'mini_depth': 9,
    'mini_incontext': 7,
    'mini_linseg': 10,
    'mini_knn': 5,
}


def pretraining_hours(config: str, epochs: int) -> float | None:
    """GPU hours of a pretraining; None where no source states them.

    Args:
        config (str): A file or a name; those of ``mini`` have no cost.
        epochs (int): Of the run.
    """
    path = Path(config)
    family = re.sub(r'_\d+e$', '', path.stem)
    cost = None if path.parent.name == 'mini' else PRETRAINING.get(family)
    return None if cost is None else cost.gpu_hours * epochs / cost.epochs


def pretraining_seconds(
    config: str, epochs: int, processes: int = 1
) -> float | None:
    """About how long a pretraining takes; None where nothing is known.

    Args:
        config (str): A file or a name.
        epochs (int): Of the run.
        processes (int): On devices of their own.
    """
    stem = Path(config).stem
    if stem in SECONDS:
        return SECONDS[stem]
    return _seconds(pretraining_hours(config, epochs), processes)


def transfer_seconds(runs: Sequence[Run], processes: int = 1) -> float | None:
    """About how long transfers take; None where nothing is known.

    Args:
        runs (sequence[Run]): One after the other.
        processes (int): On devices of their own.
    """
    whole = 0.0
    for run in runs:
        taken = SECONDS.get(run.task) or _seconds(
            find_task(run.task).hours(run.recipe), processes
        )
        if taken is None:
            return None
        whole += taken
    return whole


def _seconds(hours: float | None, processes: int) -> float | None:
    return None if hours is None else hours * 3600 / processes


def cost_lines(
    runs: Sequence[Run], pretrainings: Sequence[tuple[str, int]]
) -> list[str]:
    """One line about the transfers and one about the pretrainings.

    Args:
        runs (sequence[Run]): Whose records are missing.
        pretrainings (sequence): Config and epochs of those that are missing.
    """
    return [
        *_line(
            'transfers',
            [
                (str(run), find_task(run.task).hours(run.recipe))
                for run in runs
            ],
        ),
        *_line(
            'pretrainings',
            [
                (Path(config).name, pretraining_hours(config, epochs))
                for config, epochs in pretrainings
            ],
        ),
    ]


def _line(what: str, items: list[tuple[str, float | None]]) -> list[str]:
    if not items:
        return []
    known = [hours for _, hours in items if hours is not None]
    unknown = [name for name, hours in items if hours is None]
    if not known:
        return [f'{what}: no source states the cost of {_some(unknown)}']
    text = f'{what}: about {sum(known):.0f} GPU hours'
    if unknown:
        text += (
            f' for {len(known)} of {len(items)}; no source states those of '
            f'{_some(unknown)}'
        )
    return [text]


def _some(names: Iterable[str]) -> str:
    """Names without repetition, the first few of them."""
    names = list(dict.fromkeys(names))
    more = len(names) - SHOWN
    rest = f' and {more} more' if more > 0 else ''
    return ', '.join(names[:SHOWN]) + rest
