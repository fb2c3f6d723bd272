"""Print what is installed and whether it works.

Prints versions, devices, the operators in use and the data that is there.
Exit code 1 when something that every run needs is missing.
"""

import argparse
import importlib.metadata
import os
import platform
import shutil
from pathlib import Path

from ssl_bench.compat import PACKAGES
from ssl_bench.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--data-root', default='data', help='default: data')


def run(args: argparse.Namespace) -> int:
    """Print one line for each fact."""
    print(f'python {platform.python_version()} on {platform.platform()}')
    missing = [name for name in PACKAGES if not _version(name)]
    for name in PACKAGES:
        print(f'{name} {_version(name) or "MISSING: pip install " + name}')
    if missing:
        return 1
    import torch
    from mmcv import _ext

    from ssl_bench.compat.imports import LEFT_OUT
    from ssl_bench.environment import (
        VARIABLES,
        problems,
        raise_file_limit,
        shared_memory_free,
    )

    devices = [
        torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())
    ]
    print(f'devices: {", ".join(devices) or "CPU only"}')
    print(f'mmcv operators: {_ext.__spec__.origin}')
    print(LEFT_OUT)
    print(f'disk free here: {shutil.disk_usage(".").free / 2**30:.0f} GiB')
    shared = shared_memory_free()
    if shared is not None:
        print(f'shared memory free: {shared / 2**30:.1f} GiB')
    print(f'open files of a process: {raise_file_limit()}')
    for name in VARIABLES:
        print(f'{name}: {printable(os.environ.get(name) or "not set")}')
    for problem in problems():
        print(f'problem: {problem}')
    for folder in sorted(Path(args.data_root).glob('*')):
        if folder.is_dir():
            print(f'data: {folder}')
    return 0


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ''
