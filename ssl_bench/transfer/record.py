"""What a run leaves behind: its record, and how it compares."""

import contextlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from mmengine import dist

import ssl_bench
from ssl_bench.compat import PACKAGES
from ssl_bench.measuring import device_name, gpu_hours, peak_memory
from ssl_bench.tasks.fingerprint import data_name, other_data, read_print
from ssl_bench.tasks.own.data import OWN
from ssl_bench.tasks.table import find_task, task_config
from ssl_bench.toolbox.check_data import elsewhere_texts
from ssl_bench.toolbox.scorer import scorer_of
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.trained import LORA, kind_of


@dataclass
class Measured:
    """What running a plan gave."""

    metrics: dict[str, float]
    images: int
    seconds: float | None = None
    images_per_second: float | None = None
    details: dict[str, float] = field(default_factory=dict)
    resumptions: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    peak_memory: float | None = None  # MiB, if it was looked at before


def make_record(
    plan: Plan,
    source: Source,
    seed: int,
    run_id: str,
    measured: Measured,
    started: datetime,
    root: str,
    data: bool = True,
) -> dict[str, Any]:
    """The record of a run, as `results.record` writes it.

    Args:
        data (bool): Whether the data are there; the record of a dry run
            does not say what they are.
    """
    dataset = find_task(plan.task).data
    return dict(
        run_id=run_id,
        method=source.method,
        variant=source.variant,
        backbone=plan.arch,
        pretrain=source.pretrain(),
        task=plan.task,
        metrics=measured.metrics,
        seed=seed,
        config_sha256=plan.config_sha256,
        code_version=code_version(),
        versions=versions(
            ['peft'] if kind_of(plan.config).name == LORA else []
        ),
        hardware=dict(device=device_name(), world_size=dist.get_world_size()),
        cost=_cost(measured),
        data=_data(plan, str(root), measured.images)
        if data
        else dict(name=dataset.title, fingerprint='', images=0),
        started=started.isoformat(timespec='seconds'),
        finished=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        resumptions=measured.resumptions,
        changes=list(plan.changes),
        extra=_extra(plan, measured),
        **trained_fields(plan, measured),
        **_described(plan.task),
        departures=[
            *plan.departures,
            *elsewhere_texts(plan.elsewhere, dataset),
            *(other_data(dataset, str(root)) if data else ()),
        ],
    )


def _cost(measured: Measured) -> dict[str, Any]:
    """Time, speed and memory; hours of accelerators where there are any."""
    return dict(
        train_seconds=measured.seconds,
        images_per_second=measured.images_per_second,
        peak_memory_mib=max(peak_memory(), measured.peak_memory or 0.0),
        gpu_hours=gpu_hours(measured.seconds, dist.get_world_size()),
    )


def _data(plan: Plan, root: str, images: int) -> dict[str, Any]:
    """What was read, by its content."""
    dataset = find_task(plan.task).data
    return dict(
        name=data_name(dataset, root, plan.elsewhere, images),
        fingerprint=read_print(dataset, root, plan.elsewhere),
        images=images,
    )


def _extra(plan: Plan, measured: Measured) -> dict[str, Any]:
    """The recipe, who counts the score, and what else was measured."""
    extra = dict(recipe=plan.config.get('recipe', ''))
    scorer = scorer_of(plan.config.get('test_evaluator'))
    if scorer is not None:
        extra['scorer'] = scorer
    if measured.details:
        extra['details'] = measured.details
    return extra


def _described(task: str) -> dict[str, Any]:
    """What readers must know of a task that is not in the table."""
    if not task.startswith(OWN):
        return {}
    return dict(task_facts=find_task(task).facts.model_dump(mode='json'))


def trained_fields(plan: Plan, measured: Measured) -> dict[str, Any]:
    """What was trained; a record without it is of the task's protocol."""
    kind = kind_of(plan.config)
    return measured.counts | ({} if kind.full else {'trained': str(kind)})


def correct_task(task: str) -> str:
    """What to do when a finished run does not fit its task."""
    return (
        f'Correct TASK or the evaluator in {task_config(task)}, then run the '
        'same command again: what was trained is kept, only the test repeats.'
    )


def versions(more: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python and of every package that moves a number.

    Args:
        more (Sequence[str]): Packages that this run needs, too.
    """
    found = dict(python=platform.python_version())
    for name in (*PACKAGES, *more):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def code_version() -> str:
    """Our version, with the commit when run from a checkout."""
    home = Path(ssl_bench.__file__).parents[1]
    if not (home / '.git').exists():
        return ssl_bench.__version__
    try:
        commit = subprocess.run(
            ['git', 'rev-parse', '--short=12', 'HEAD'],
            cwd=home,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ssl_bench.__version__
    return f'{ssl_bench.__version__}+g{commit}'
