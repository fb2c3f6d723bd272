"""Time and memory of the leaderboard: 10,000 records to CSV.

Writes records of 100 methods, 10 tasks and 10 seeds into a temporary
folder, then runs ``ssl-bench leaderboard`` in a process of its own and
reports its time from start to exit and its peak memory; the wall time
means something on an idle machine only.

    python benchmarks/leaderboard.py [--records 10000] [--repeats 3]

Exit code 1 when the best run takes 3 s or more, or any run 300 MB or more.
"""

import argparse
import hashlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ssl_bench.results import write_record

ROOT = Path(__file__).resolve().parents[1]
MAX_SECONDS, MAX_MB = 3.0, 300.0
SEEDS = 10
TASKS = {
    'voc0712_det_c4': ('bbox_AP', 'bbox_AP50', 'bbox_AP75'),
    'coco_mrcnn_c4_1x': (
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
        'segm_AP',
        'segm_AP50',
        'segm_AP75',
    ),
    'coco_mrcnn_fpn_1x': (
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
        'segm_AP',
        'segm_AP50',
        'segm_AP75',
    ),
    'voc12aug_fcn': ('mIoU',),
    'cityscapes_fcn': ('mIoU',),
    'in1k_linear': ('top1', 'top5'),
    'in1k_knn': ('top1',),
    'voc07_svm': ('mAP',),
    'places205_linear': ('top1',),
    'in1k_semi1': ('top1', 'top5'),
}
# Measures a child: wall and CPU time, and the most memory it ever held.
PROBE = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def sha(text: str) -> str:
    """Sixty-four digits that depend on ``text``."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_record(method: int, task: str, seed: int) -> dict:
    """One record with every field filled, about 1.6 kB."""
    dice = random.Random(f'{method} {task} {seed}')
    return dict(
        method=('MoCo v2', 'PixPro', 'InsLoc')[method % 3],
        variant=f'v{method}',
        backbone='ResNet-50',
        pretrain=dict(
            data='IN1K',
            epochs=200,
            batch=256,
            config=f'configs/m{method}.py',
            checkpoint_sha256=sha(f'm{method}'),
            source='measured',
        ),
        task=task,
        seed=seed,
        config_sha256=sha(task),
        code_version='0.1.0',
        metrics={name: dice.uniform(20, 80) for name in TASKS[task]},
        versions=dict.fromkeys(
            (
                'torch',
                'torchvision',
                'onedl-mmengine',
                'onedl-mmcv',
                'onedl-mmdetection',
                'onedl-mmsegmentation',
                'onedl-mmpretrain',
                'numpy',
            ),
            '1.2.3',
        ),
        hardware=dict(device='cuda', world_size=8),
        cost=dict(
            train_seconds=dice.uniform(100, 9000),
            images_per_second=dice.uniform(10, 90),
            peak_memory_mib=9000.0,
            gpu_hours=dice.uniform(1, 90),
        ),
        data=dict(name=task, fingerprint=sha(task), images=16551),
        started='2025-05-01T10:00:00+00:00',
        finished='2025-05-01T12:00:00+00:00',
    )


def write(folder: Path, count: int) -> None:
    """Write ``count`` records, one folder each, as runs do."""
    for i in range(count):
        task = list(TASKS)[i // SEEDS % len(TASKS)]
        method = i // (SEEDS * len(TASKS))
        seed = i % SEEDS
        write_record(
            folder / f'm{method}' / task / f's{seed}',
            make_record(method, task, seed),
        )


def measure(folder: Path, output: Path) -> tuple:
    """Exit code, wall seconds, CPU seconds and peak MB of one run."""
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            PROBE,
            sys.executable,
            '-m',
            'ssl_bench',
            'leaderboard',
            str(folder),
            '--format',
            'csv',
            '-o',
            str(output),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    code, seconds, cpu, peak = done.stdout.split()
    return int(code), float(seconds), float(cpu), int(peak) * 1024 / 1e6


def main() -> int:
    """Print one line per run and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--records', type=int, default=10_000)
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        folder, output = Path(top) / 'runs', Path(top) / 'leaderboard.csv'
        start = time.perf_counter()
        write(folder, args.records)
        print(
            f'{args.records} records written in '
            f'{time.perf_counter() - start:.1f} s'
        )
        runs = [measure(folder, output) for _ in range(args.repeats)]
        rows = output.read_text().count('\n') - 1
    for code, seconds, cpu, peak in runs:
        print(
            f'exit code {code}  {seconds:.2f} s (CPU {cpu:.2f} s)  '
            f'{peak:.0f} MB'
        )
    times, peaks = [r[1] for r in runs], [r[3] for r in runs]
    print(
        f'{rows} rows; median {statistics.median(times):.2f} s, best '
        f'{min(times):.2f} s (limit {MAX_SECONDS:g}), peak '
        f'{max(peaks):.0f} MB (limit {MAX_MB:g})'
    )
    good = min(times) < MAX_SECONDS and max(peaks) < MAX_MB
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
