"""Memory, disk and time of frozen features in several processes.

Writes synthetic features, as many as ImageNet has images, from several gloo
processes, as the extraction of a probe does, and scores nearest neighbours on
them. The peak memory of each process is that of the whole step. A row is its
class's direction and noise, so that the number to expect is known: the votes
are right for nearly all queries.

    python benchmarks/probe_gather.py [--images 1281167] [--queries 50000]
        [--width 2048] [--processes 8] [--precision float16] [--folder DIR]

The full size needs 5.3 GB of disk, and 1.3e14 multiplications: hours on two
CPU cores. Peaks hardly depend on the number of images. Measured on two busy
cores, all images and 2048 queries in 8 processes: at most 843 MiB a process,
517 of them before the first row; 10 minutes. Before features had shards, the
first process alone held them several times, 10.5 GB each time.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
import torch.multiprocessing as mp

from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import Dealing, load_features
from ssl_bench.transfer.probe_scores import knn
from ssl_bench.transfer.together import from_all

CLASSES, BATCH = 1000, 256


def rows(dealing, rank, width, salt, done):
    """Features and labels of a process's batches."""
    centres = torch.randn(
        CLASSES, width, generator=torch.Generator().manual_seed(0)
    )
    for start, stop in dealing.batches_of(rank)[done:]:
        generator = torch.Generator().manual_seed(2 * start + salt)
        labels = torch.arange(start, stop) % CLASSES
        noise = torch.randn(stop - start, width, generator=generator)
        yield centres[labels] + 3 * noise, labels


def memory(name):
    """A line of Linux's account of this process, MiB."""
    status = Path('/proc/self/status').read_text()
    return int(status.split(f'{name}:')[1].split()[0]) / 1024


def work(rank, folder, given):
    """The part of one process; the first one prints."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo',
        init_method=f'file://{folder}/rendezvous',
        rank=rank,
        world_size=given.processes,
    )
    start, before, splits = time.time(), memory('VmRSS'), []
    for salt, size in enumerate((given.images, given.queries)):
        dealing = Dealing(size, BATCH, given.processes)
        write_features(
            folder / str(salt),
            partial(rows, dealing, rank, given.width, salt),
            dealing,
            given.precision,
        )
        splits.append(load_features(folder / str(salt)))
    written = time.time()
    found = knn(*splits, [10, 20, 100, 200], headline=20)
    scored = time.time()
    peaks = from_all(lambda: (memory('VmHWM'), before))
    if rank == 0:
        disk = sum(p.stat().st_size for p in folder.rglob('*.npy'))
        print(f'top-1 {found["top1"]:.2f} (k = 20)')
        print(f'write {written - start:.0f} s, kNN {scored - written:.0f} s')
        print(f'disk {disk / 2**30:.2f} GiB')
        for number, (peak, at_start) in enumerate(peaks):
            print(
                f'process {number}: peak {peak:.0f} MiB, '
                f'{at_start:.0f} of them before the first row'
            )
    torch.distributed.destroy_process_group()


def main():
    """Parse the options and start the processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=1_281_167)
    parser.add_argument('--queries', type=int, default=50_000)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--processes', type=int, default=8)
    parser.add_argument('--precision', default='float16')
    parser.add_argument('--folder', help='of the features, while it runs')
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        mp.start_processes(
            work,
            (Path(folder), given),
            nprocs=given.processes,
            start_method='spawn',
        )


if __name__ == '__main__':
    main()
