"""CPU time that commands and imports take to start.

python benchmarks/startup.py [--runs 5]

Each line is measured in processes of its own, one after the other: seconds of
CPU (user and system) of the process and its children. Run it on a machine
that does nothing else, and twice: the first run fills the disk cache.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
from importlib import metadata

COMMANDS = {
    'ssl-bench --help': ['-m', 'ssl_bench', '--help'],
    'ssl-bench methods': ['-m', 'ssl_bench', 'methods'],
    'ssl-bench tasks': ['-m', 'ssl_bench', 'tasks'],
    'import ssl_bench.cli': ['-c', 'import ssl_bench.cli'],
    'import torch': ['-c', 'import torch'],
    'register_all_modules()': [
        '-c',
        'import ssl_bench; ssl_bench.register_all_modules()',
    ],
}
PACKAGES = (
    'torch',
    'torchvision',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmdetection',
    'onedl-mmsegmentation',
    'onedl-mmpretrain',
    'transformers',
)


def cpu_seconds(words: list[str]) -> float:
    """Seconds of CPU that Python with these words takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *words], check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processor() -> str:
    """The name of the processor, where Linux tells it."""
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            lines = [line for line in file if line.startswith('model name')]
        return lines[0].partition(':')[2].strip()
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def version(name: str) -> str:
    """A package's version, for a person."""
    try:
        return f'{name} {metadata.version(name)}'
    except metadata.PackageNotFoundError:
        return f'{name} not installed'


def main() -> None:
    """Print versions, the machine, and the times."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--runs', type=int, default=5)
    args = parser.parse_args()
    print(f'Python {platform.python_version()}, {platform.platform()}')
    print(f'{processor()}, {os.cpu_count()} cores')
    print(', '.join(map(version, PACKAGES)))
    print(f'\nseconds of CPU, {args.runs} runs   minimum  median  maximum')
    for name, words in COMMANDS.items():
        times = [cpu_seconds(words) for _ in range(args.runs)]
        numbers = (min(times), statistics.median(times), max(times))
        print(f'{name:26}' + ''.join(f'{value:9.2f}' for value in numbers))


if __name__ == '__main__':
    main()
