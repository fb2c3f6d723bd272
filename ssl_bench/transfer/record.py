"""What a run leaves behind: its record, and how it compares."""

import contextlib
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.device import get_device, get_max_cuda_memory

import ssl_bench
from ssl_bench.tasks.datasets import DATASETS
from ssl_bench.tasks.fingerprint import fingerprint, other_data
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.source import Source

# the networks that published numbers are of
PAPERS_NETS = ('resnet50', 'vit_base_patch16')
PACKAGES = (
    'torch',
    'torchvision',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmdetection',
    'onedl-mmsegmentation',
    'onedl-mmpretrain',
    'numpy',
    'pycocotools',
    'scikit-learn',
)


@dataclass
class Measured:
    """What running a plan gave."""

    metrics: dict[str, float]
    images: int
    seconds: float | None = None
    images_per_second: float | None = None
    details: dict[str, float] = field(default_factory=dict)


def make_record(
    plan: Plan,
    source: Source,
    seed: int,
    run_id: str,
    measured: Measured,
    started: datetime,
    root: str,
) -> dict[str, Any]:
    """The record of design.md."""
    dataset = DATASETS[find_task(plan.task).dataset]
    seconds, accelerated = measured.seconds, get_device() != 'cpu'
    memory = get_max_cuda_memory() if accelerated else peak_memory()
    hours = (
        seconds * dist.get_world_size() / 3600
        if seconds and accelerated
        else None
    )
    extra = dict(recipe=plan.config.get('recipe', ''))
    if measured.details:
        extra['details'] = measured.details
    verdicts = compare_expected(plan, source, measured.metrics)
    if verdicts:
        extra['expected'] = verdicts
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
        versions=versions(),
        hardware=dict(device=device_name(), world_size=dist.get_world_size()),
        cost=dict(
            train_seconds=seconds,
            images_per_second=measured.images_per_second,
            peak_memory_mib=memory,
            gpu_hours=hours,
        ),
        data=dict(
            name=dataset.title,
            fingerprint=fingerprint(dataset, str(root)),
            images=measured.images,
        ),
        started=started.isoformat(timespec='seconds'),
        finished=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        changes=list(plan.changes),
        extra=extra,
        departures=plan.departures + other_data(dataset, str(root)),
    )


def compare_expected(
    plan: Plan, source: Source, metrics: dict[str, float]
) -> list[dict[str, Any]]:
    """Hold measured numbers against the config's published ones.

    Returns:
        list[dict]: Per number: metric, published, tolerance, measured and
        ``reproduced`` (within the tolerance), ``within noise`` (within
        twice) or ``off``.
    """
    epochs = source.pretrain()['epochs']
    full = f'{source.method} {source.variant}'.strip()
    names = {
        source.method,
        full,
        f'{source.method} {epochs}',
        f'{full} {epochs}',
    }
    found = []
    for method, metric, value, tolerance in plan.config.get('expected', []):
        if method in names and metric in metrics and plan.arch in PAPERS_NETS:
            distance = abs(metrics[metric] - value)
            verdict = (
                'reproduced'
                if distance <= tolerance
                else 'within noise'
                if distance <= 2 * tolerance
                else 'off'
            )
            found.append(
                dict(
                    metric=metric,
                    published=value,
                    tolerance=tolerance,
                    measured=metrics[metric],
                    verdict=verdict,
                )
            )
    return found


def peak_memory() -> float:
    """Largest resident size of this process so far, MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def device_name() -> str:
    """The accelerator's name, or the processor's and its threads."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    machine = platform.processor() or platform.machine()
    return f'{get_device()} {machine}, {torch.get_num_threads()} threads'


def versions() -> dict[str, str]:
    """Versions of Python and of every package that moves a number."""
    found = dict(python=platform.python_version())
    for name in PACKAGES:
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
