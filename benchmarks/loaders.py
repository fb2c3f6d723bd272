"""Loaders with workers, for benchmarks/pipeline.py: each in a process."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import plain_views
import torch
from view_rows import ROWS, config_of


def loader_facts(
    name: str, way: str, folder: Path, args: argparse.Namespace
) -> dict:
    """What a loader with workers does, in a process of its own.

    Returns:
        dict: ``first_batch_s``, from the data set to the first batch;
        ``images_per_s`` of a whole epoch, ``cpu_ms`` of all workers and
        ``main_ms`` of the main process, per image; ``uss_mib`` and
        ``pss_mib`` of the largest worker.
    """
    started = time.perf_counter()
    if way == 'ours':
        import cv2
        from mmengine.registry import DefaultScope
        from mmengine.runner import Runner

        cv2.setNumThreads(0)  # as a run does
        config, _ = config_of(ROWS[name][0], folder, args.photometric)
        started = time.perf_counter()  # imports are not counted
        settings = config.train_dataloader
        settings.sampler.batch_size = settings.batch_size = args.batch
        settings.num_workers, settings.pin_memory = args.workers, False
        settings.persistent_workers = True
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            loader = Runner.build_dataloader(settings, seed=0)
    else:
        make = getattr(plain_views, ROWS[name][1])()
        started = time.perf_counter()
        loader = torch.utils.data.DataLoader(
            plain_views.PlainImages(folder, make),
            args.batch,
            shuffle=True,
            num_workers=args.workers,
            persistent_workers=True,
            drop_last=True,
        )
    batches = iter(loader)
    next(batches)
    facts = dict(first_batch_s=time.perf_counter() - started)
    for _ in batches:
        pass
    workers = [process.pid for process in batches._workers]
    cpu, own, count = worker_seconds(workers), time.process_time(), 0
    started = time.perf_counter()
    for _ in loader:
        count += args.batch
    facts['images_per_s'] = count / (time.perf_counter() - started)
    facts['cpu_ms'] = (worker_seconds(workers) - cpu) / count * 1000
    facts['main_ms'] = (time.process_time() - own) / count * 1000
    return facts | {
        f'{kind}_mib': max(memory(pid)[kind] for pid in workers)
        for kind in ('uss', 'pss')
    }


def worker_seconds(workers: Sequence[int]) -> float:
    """CPU time that processes have used."""
    ticks = 0
    for pid in workers:
        text = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2]
        ticks += sum(map(int, text.split()[11:13]))
    return ticks / os.sysconf('SC_CLK_TCK')


def memory(pid: int) -> dict[str, float]:
    """MiB of a process: its own, and with its share of what it shares."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    kib = {line.split(':')[0]: int(line.split()[1]) for line in lines}
    own = kib['Private_Clean'] + kib['Private_Dirty']
    return dict(uss=own / 1024, pss=kib['Pss'] / 1024)


def in_a_process(name: str, way: str, workers: int, folder: Path, args):
    """`loader_facts` of a fresh process."""
    words = [name, way, str(folder), '--workers', str(workers)]
    words += ['--batch', str(args.batch), '--photometric', args.photometric]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def loaders(name: str, folder: Path, args: argparse.Namespace) -> dict:
    """Loaders of both ways with 1 worker and with --workers."""
    found = {
        f'{way}_{workers}': in_a_process(name, way, workers, folder, args)
        for workers in sorted({1, args.workers})
        for way in ('plain', 'ours')
    }
    facts = dict(row=name, workers=args.workers, load=os.getloadavg()[0])
    return facts | scaling(**found, workers=args.workers) | found


def scaling(workers: int, **found: dict) -> dict[str, float]:
    """How our loader grows with its workers.

    Args:
        workers (int): Of the larger loader.
        **found (dict): `loader_facts` by way and number of workers.

    Returns:
        dict: ``scaling``, images per second over those of one worker;
        ``by_cpu``, the same where each worker, and the main process, had a
        core of its own: CPU time does not depend on other programs.
    """
    one, many = found['ours_1'], found[f'ours_{workers}']
    alone = max(one['cpu_ms'], one['main_ms'])
    together = max(many['cpu_ms'] / workers, many['main_ms'])
    return dict(
        scaling=many['images_per_s'] / one['images_per_s'],
        by_cpu=alone / together,
    )


def print_loaders(row: dict) -> None:
    """A line for each loader."""
    for key, facts in row.items():
        if isinstance(facts, dict):
            print(
                f'{row["row"]:18} {key:8} {facts["images_per_s"]:7.1f} img/s '
                f'{facts["cpu_ms"]:6.2f} ms CPU (main process '
                f'{facts["main_ms"]:.2f}), first batch '
                f'{facts["first_batch_s"]:.2f} s, a worker '
                f'{facts["uss_mib"]:.0f} MiB of its own, '
                f'{facts["pss_mib"]:.0f} with its share of the rest'
            )
    print(
        f'{row["row"]:18} {row["workers"]} workers: {row["scaling"]:.2f} '
        f'times the images of one; by their CPU time {row["by_cpu"]:.2f}; '
        f'load of the machine {row["load"]:.1f}',
        flush=True,
    )


def main() -> None:
    """Measure one loader, and print what was found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('row', choices=ROWS)
    parser.add_argument('way', choices=['plain', 'ours'])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--workers', type=int, required=True)
    parser.add_argument('--batch', type=int, required=True)
    parser.add_argument('--photometric', required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(loader_facts(args.row, args.way, args.folder, args)))


if __name__ == '__main__':
    main()
