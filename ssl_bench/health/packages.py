"""Installed packages against the ranges that the distribution states."""

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from ssl_bench.compat import PACKAGES
from ssl_bench.health.checks import FAIL, OK, WARN, Check

DISTRIBUTION = 'ssl-bench'
#: What an extra is for; `docs` and `test` are for those who change the code.
EXTRAS = {
    'lmdb': 'images of a pretraining in an LMDB database',
    'lora': '--train lora:RANK',
    'lvis': 'the task lvis_vitdet_b',
    'pandas': 'ssl_bench.results.load',
    'parquet': 'images of a pretraining in Parquet or Arrow files',
    'mlflow': '--track mlflow',
    'slurm': '`ssl-bench run` through Slurm',
    'wandb': '--track wandb',
}
DEVELOPERS = {'docs', 'test'}


def package_checks() -> Iterator[Check]:
    """Python, every package that is required, and the optional ones."""
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ImportError:
        yield Check('packaging', FAIL, 'missing', 'pip install packaging')
        return
    try:
        about = metadata.metadata(DISTRIBUTION)
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Check(
            DISTRIBUTION,
            WARN,
            'runs from a folder without being installed, so that the '
            'versions of packages cannot be checked',
            'pip install --editable FOLDER',
        )
        for name in PACKAGES:
            version = version_of(name)
            cure = '' if version else f'pip install {name}'
            yield Check(
                name, OK if version else FAIL, version or 'missing', cure
            )
        return
    yield _python(SpecifierSet(about['Requires-Python'] or ''))
    wanted = [Requirement(line) for line in lines]
    for requirement in wanted:
        if not requirement.marker or requirement.marker.evaluate(
            {'extra': ''}
        ):
            yield from _required(requirement, Requirement)
    yield from _optional(wanted)


def _python(wanted: Any) -> Check:
    version = platform.python_version()
    good = wanted.contains(version, prereleases=True)
    return Check(
        'python',
        OK if good else FAIL,
        f'{version} on {platform.platform()}',
        '' if good else f'use Python {wanted}',
    )


def _required(requirement: Any, kind: type) -> Iterator[Check]:
    """A package, and what it asks of others."""
    name, version = requirement.name, version_of(requirement.name)
    cure = f"pip install '{requirement}'"
    if not version:
        yield Check(name, FAIL, 'missing', cure)
        return
    if not requirement.specifier.contains(version, prereleases=True):
        text = f'{version} is not in {requirement.specifier}'
        yield Check(name, FAIL, text, cure)
        return
    wrong = list(_unmet(name, kind))
    if wrong:
        yield Check(
            name,
            WARN,
            f'{version} asks for {wrong[0]}, and '
            f'{version_of(wrong[0].name)} is installed',
            f"pip install '{requirement}' '{wrong[0]}'",
        )
    else:
        yield Check(name, OK, version)


def _unmet(name: str, kind: type) -> Iterator[Any]:
    """What a package requires in a version that is not the installed one."""
    for line in metadata.requires(name) or ():
        wanted: Any = kind(line)
        if wanted.marker and not wanted.marker.evaluate({'extra': ''}):
            continue
        version = version_of(wanted.name)
        if version and not wanted.specifier.contains(
            version, prereleases=True
        ):
            yield wanted


def _optional(wanted: list[Any]) -> Iterator[Check]:
    """What only some commands need: it may be missing, but not too old."""
    for requirement in wanted:
        marker = str(requirement.marker or '')
        extra = marker.rpartition('extra == ')[2].strip('"\'')
        if not extra or extra in DEVELOPERS:
            continue
        plain = f'{requirement.name}{requirement.specifier}'
        version = version_of(requirement.name)
        use = f'only for {EXTRAS.get(extra, f"the extra {extra}")}'
        if not version:
            cure = f"pip install '{plain}'"
            yield Check(
                requirement.name, OK, f'not installed, needed {use}', cure
            )
        elif requirement.specifier.contains(version, prereleases=True):
            yield Check(requirement.name, OK, f'{version}, {use}')
        else:
            yield Check(
                requirement.name,
                WARN,
                f'{version} is not in {requirement.specifier}, {use}',
                f"pip install '{plain}'",
            )


def version_of(name: str) -> str:
    """The installed version of a distribution; empty if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ''


def imports_check() -> Check:
    """Whether torch and torchvision load, and fit each other."""
    cure = "pip install --force-reinstall 'torch>=2.6' 'torchvision>=0.21'"
    try:
        import torch
        import torchvision

        boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
        torchvision.ops.nms(boxes, torch.ones(1), 0.5)
    except Exception as error:  # a broken installation may raise anything
        text = f'{type(error).__name__}: {error}'
        return Check('import of torch', FAIL, text.splitlines()[0], cure)
    return Check('import of torch', OK, f'works, in {sys.executable}')
