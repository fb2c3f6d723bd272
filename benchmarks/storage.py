"""Start-up at ImageNet's size, and reading speed of each kind of storage.

python benchmarks/storage.py start [--images 1281167] [--processes 1 8]
python benchmarks/storage.py read [--images 2000]

`start` makes a folder of 1000 classes with empty files and measures, without
and with a list that was kept, what a pretraining does before its first batch:
find the images, name the set, draw the order of an epoch. The processes have
imported the toolkits before; each prints the CPU time and memory that it adds.

`read` packs JPEG files of 500 x 375 pixels in every way and reads them in
random order: the content alone, and decoded. Times are CPU time of one
process, of runs that take turns; the files are in the disk cache.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as mp
from PIL import Image

from ssl_bench.data.storage import open_storage
from ssl_bench.data.storage.pack import pack
from ssl_bench.pixels import read_rgb
from ssl_bench.tasks.datasets import wordnet_ids

OUTPUTS = ('.zip', '.tar', '-*.tar', '.lmdb', '.parquet', '.arrow')


def make_folder(root: Path, images: int) -> None:
    """Empty files with ImageNet's names."""
    classes = wordnet_ids()
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        folder = os.open(root / name, os.O_RDONLY)
        count = images // len(classes) + (number < images % len(classes))
        for index in range(count):
            file = f'{name}_{index}.JPEG'
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.close(folder)


def memory(name: str) -> float:
    """MiB of this process, from Linux."""
    status = Path('/proc/self/status').read_text()
    return int(status.split(f'{name}:')[1].split()[0]) / 1024


def start(rank: int, world: int, folder: str, out: str) -> None:
    """Do in one process what a run does, and write what it took."""
    from ssl_bench.data.pretrain_dataset import PretrainDataset, StreamSampler
    from ssl_bench.engine.what_was_read import _images_of

    if world > 1:
        os.environ.update(WORLD_SIZE=str(world), RANK=str(rank))
        torch.distributed.init_process_group(
            'gloo', f'file://{out}/meet', rank=rank, world_size=world
        )
    before, peak = memory('VmRSS'), memory('VmHWM')
    cpu, wall = time.process_time(), time.perf_counter()
    dataset = PretrainDataset(data_root=folder, pipeline=[])
    sampler = StreamSampler(dataset, shuffle=True, seed=0, batch_size=32)
    batches = iter(sampler)
    next(batches)
    if rank == 0:
        dataset.summary()
        found = _images_of(dataset)
        assert found.images == len(dataset)
    numbers = (
        time.process_time() - cpu,
        time.perf_counter() - wall,
        memory('VmRSS') - before,
        max(memory('VmHWM') - peak, memory('VmRSS') - before),
    )
    np.save(f'{out}/{rank}.npy', numbers)
    if world > 1:
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def run_start(args: argparse.Namespace, home: Path) -> None:
    """Print a row for each number of processes, without and with a list."""
    from ssl_bench import register_all_modules

    register_all_modules()
    root = args.folder or home / 'train'
    if not root.exists():
        make_folder(root, args.images)
        time.sleep(2)  # a folder that has just changed has no kept list
    os.environ['SSL_BENCH_CACHE'] = str(home / 'cache')
    print(
        f'{"":22} CPU s  wall s   MiB  peak   (worst process; '
        'the first one alone lists)'
    )
    for world in args.processes:
        shutil.rmtree(home / 'cache', ignore_errors=True)
        for state in ('no list', 'kept list'):
            out = tempfile.mkdtemp(dir=home)
            mp.start_processes(
                start, (world, str(root), out), world, start_method='fork'
            )
            found = np.array(
                [np.load(f'{out}/{rank}.npy') for rank in range(world)]
            )
            first, others = found[0], found[1:]
            for name, part in (('first', first), ('others', others)):
                if part.size:
                    row = part.reshape(-1, 4).max(0)
                    print(
                        f'{world} x {state:9} {name:6}'
                        f'{row[0]:8.2f}{row[1]:8.2f}{row[2]:6.0f}{row[3]:6.0f}',
                        flush=True,
                    )


def write_jpegs(root: Path, images: int) -> None:
    """Files of about 100 kB; the classes have 100 each."""
    noise = np.random.default_rng(0)
    for index in range(images):
        small = noise.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((500, 375))
        path = root / f'c{index // 100:03d}/{index:06d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=95)


def as_arrow(source: Path, path: Path) -> None:
    """As ``save_to_disk`` of ``datasets``, in batches of 1000 rows."""
    import pyarrow

    kind = pyarrow.struct(
        [('bytes', pyarrow.binary()), ('path', pyarrow.string())]
    )
    rows = [
        dict(bytes=file.read_bytes(), path=str(file.relative_to(source)))
        for file in sorted(source.rglob('*.jpg'))
    ]
    table = pyarrow.table(dict(image=pyarrow.array(rows, kind)))
    with pyarrow.ipc.new_stream(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=1000)


def run_read(args: argparse.Namespace, home: Path) -> None:
    """Print images per second of each kind of storage."""
    folder = home / 'images'
    write_jpegs(folder, args.images)
    roots = {'folder': folder}
    for ending in OUTPUTS:
        root = home / f'packed{ending}'
        if ending == '.arrow':
            as_arrow(folder, root)
        else:
            pack(str(folder), str(root), per_file=500)
        roots[ending] = root
    order = random.Random(0).sample(range(args.images), args.images)
    opened = {}
    for name, root in roots.items():
        storage = open_storage(str(root))
        opened[name] = storage, storage.list().images
    seconds: dict[tuple[str, bool], list[float]] = {}
    for _ in range(args.runs):
        for name, (storage, images) in opened.items():
            for decoded in (False, True):
                numbers = order[:200] if decoded else order
                begun = time.process_time()
                for index in numbers:
                    source = storage.source(images, index)
                    if decoded:
                        read_rgb(source)
                    elif isinstance(source, str):
                        Path(source).read_bytes()
                used = (time.process_time() - begun) / len(numbers)
                seconds.setdefault((name, decoded), []).append(used)
    print('images/s of CPU:  content (min, max)         decoded (min, max)')
    for name in roots:
        text = f'{name:12}'
        for decoded in (False, True):
            times = seconds[name, decoded]
            text += (
                f'{1 / statistics.median(times):10.0f} '
                f'({1 / max(times):.0f}, {1 / min(times):.0f})   '
            )
        print(text, flush=True)


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('what', choices=('start', 'read'))
    parser.add_argument('--images', type=int)
    parser.add_argument('--processes', type=int, nargs='+', default=[1, 8])
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument(
        '--folder', type=Path, help='of `start`: images that are there'
    )
    args = parser.parse_args(words)
    args.images = args.images or dict(start=1281167, read=2000)[args.what]
    return args


def main(words: list[str] | None = None) -> int:
    """Measure and print."""
    args = parse_args(words)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        run = run_start if args.what == 'start' else run_read
        run(args, Path(home))
    return 0


if __name__ == '__main__':
    sys.exit(main())
