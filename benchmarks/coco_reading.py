"""Time and memory of reading annotations of COCO's size.

Writes ``instances_train2017.json`` with 118,287 images and 860,001 objects
with polygons of real lengths (about 450 MB), and a test set of 5000 images,
into a folder. Every image is a link to one file. Then it measures, each in a
process of its own, what a user waits for before the first step.

    python benchmarks/coco_reading.py --folder work_dirs/coco [--scale 1.0]

The column `before` has the numbers of the code that made one dict of each
object, measured with this program on a machine with two cores. Seconds are
CPU time: the wall time is the same on a free machine. The peak counts pages
of the file (450 MB) and those that a rank shares with the one that has read;
`own` is what the process has for itself at the end, 350 MiB of it for the
toolkits.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES, OBJECTS, TEST_IMAGES, TEST_OBJECTS = 118_287, 860_001, 5000, 36_781
WIDTH, HEIGHT = 640, 480
LINKS = 50_000  # to one file; file systems allow 65,000
BEFORE = {  # CPU seconds and peak
    'data check': (35.0, 2854),
    'training loader': (49.2, 4290),
    'second of two ranks': (49.2, 4290),
    'test loader and scorer': (1.5, 792),
}
PROBE = """
import sys, time
from pathlib import Path
root = sys.argv[1]
{setup}
start, wall = time.process_time(), time.time()
{action}
used, wall = time.process_time() - start, time.time() - wall
status = Path('/proc/self/status').read_text()  # Linux
peak, own = (
    int(status.split(word + ':')[1].split()[0]) / 1024
    for word in ('VmHWM', 'RssAnon')
)
print('RESULT', used, wall, peak, own)
"""
READER = """
from ssl_bench import register_all_modules
register_all_modules()
from mmengine.registry import DATASETS, DefaultScope
from ssl_bench.toolbox.load_images import read_with_care
from ssl_bench.transfer.plan import make_plan
config = make_plan('coco_mrcnn_fpn_1x', data_root=root).config
read_with_care(config, None)
scope = DefaultScope.get_instance(
    'benchmark', scope_name=config.default_scope)
"""
STEPS = {
    'data check': (
        'from ssl_bench.tasks.check import check_task',
        "check_task('coco_mrcnn_fpn_1x', root)",
    ),
    'training loader': (
        READER,
        'kept = DATASETS.build(config.train_dataloader.dataset)',
    ),
    'second of two ranks': (
        READER + 'import os, tempfile, torch.distributed as dist\n'
        'folder, child = tempfile.mkdtemp(), os.fork()\n'
        "dist.init_process_group('gloo', f'file://{folder}/meet',\n"
        '    rank=int(child == 0), world_size=2)',
        'kept = DATASETS.build(config.train_dataloader.dataset)\n'
        'if child:\n'
        '    os.waitpid(child, 0)\n'
        '    os._exit(0)',
    ),
    'test loader and scorer': (
        READER + 'from mmengine.registry import METRICS\n',
        'kept = DATASETS.build(config.test_dataloader.dataset)\n'
        'metric = METRICS.build(config.test_evaluator)\n'
        # what the process that scores reads at the test
        'truth = metric.indexed(metric.content(metric._coco_api))',
    ),
}


def numbers(values: np.ndarray) -> str:
    """As COCO writes them: at most two digits after the point."""
    return ','.join(f'{value:g}' for value in values.round(2).tolist())


def write_annotations(
    path: Path, images: int, objects: int, names: tuple[str, ...]
) -> None:
    """A file in COCO's form, written in pieces."""
    rng = np.random.default_rng(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w') as file:
        file.write('{"info": {"year": 2017}, "licenses": [], "images": [')
        for index in range(images):
            file.write(
                f'{", " if index else ""}{{"license": 4, "file_name": '
                f'"{index:012d}.jpg", "coco_url": "http://images.cocodataset'
                f'.org/train2017/{index:012d}.jpg", "height": {HEIGHT}, '
                f'"width": {WIDTH}, "date_captured": "2013-11-14 11:18:45", '
                f'"flickr_url": "http://farm9.staticflickr.com/8186/81192'
                f'{index}.jpg", "id": {index}}}'
            )
        file.write('], "annotations": [')
        lengths = np.clip(rng.lognormal(3.0, 0.65, objects), 3, 400)
        for index, points in enumerate(lengths.astype(int)):
            box = rng.uniform((0, 0, 8, 8), (400, 300, 200, 150)).round(2)
            polygon = box[:2] + rng.random((points, 2)) * box[2:]
            crowd = index % 86 == 85
            mask = (
                f'{{"counts": {run_lengths(rng)}, "size": [{HEIGHT}, '
                f'{WIDTH}]}}'
                if crowd
                else f'[[{numbers(polygon.ravel())}]]'
            )
            file.write(
                f'{", " if index else ""}{{"segmentation": {mask}, "area": '
                f'{box[2] * box[3] / 2}, "iscrowd": {int(crowd)}, '
                f'"image_id": {rng.integers(images)}, "bbox": '
                f'[{numbers(box)}], "category_id": '
                f'{rng.integers(len(names)) + 1}, "id": {index + 1}}}'
            )
        rows = ', '.join(
            f'{{"supercategory": "thing", "id": {index}, "name": "{name}"}}'
            for index, name in enumerate(names, 1)
        )
        file.write(f'], "categories": [{rows}]}}')


def run_lengths(rng: np.random.Generator) -> list[int]:
    """Of a mask of the images' size."""
    ends = np.sort(rng.integers(0, WIDTH * HEIGHT, 200))
    edges = np.concatenate([[0], ends, [WIDTH * HEIGHT]])
    return np.diff(edges).tolist()


def write_images(folder: Path, count: int) -> None:
    """One picture under many names."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder
    for index in range(count):
        path = folder / f'{index:012d}.jpg'
        if index % LINKS:
            os.link(source, path)
        else:
            source = path
            Image.new('RGB', (WIDTH, HEIGHT)).save(source)


def write(root: Path, scale: float) -> None:
    """Both sets, if they are not there."""
    from mmdet.datasets import CocoDataset

    for split, images, objects in (
        ('val2017', TEST_IMAGES, TEST_OBJECTS),
        ('train2017', IMAGES, OBJECTS),
    ):
        path = root / f'coco/annotations/instances_{split}.json'
        if path.exists():
            continue
        sizes = (int(images * scale), int(objects * scale))
        write_images(root / f'coco/{split}', sizes[0])
        write_annotations(path, *sizes, CocoDataset.METAINFO['classes'])
        print(f'{path}: {path.stat().st_size / 1e6:.0f} MB')


def measure(setup: str, action: str, root: Path) -> list[float]:
    """CPU and wall seconds, peak and own MiB, in a process of its own."""
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            PROBE.format(setup=setup, action=action),
            str(root),
        ],
        capture_output=True,
        text=True,
    )
    rows = [row for row in done.stdout.splitlines() if row[:6] == 'RESULT']
    if not rows:
        sys.exit(f'failed:\n{done.stderr[-2000:]}')
    return [float(word) for word in rows[0].split()[1:]]


def main() -> None:
    """Write the data and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scale', type=float, default=1.0)
    parser.add_argument('--folder', help='to keep the data between runs')
    parser.add_argument('--only', choices=STEPS, nargs='+', default=STEPS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(args.folder or temporary)
        write(root, args.scale)
        print(
            f'{"":24}{"CPU s":>8}{"before":>8}{"ratio":>7}{"wall s":>8}'
            f'{"peak MiB":>10}{"before":>8}{"own MiB":>9}'
        )
        for name in args.only:
            seconds, wall, peak, own = measure(*STEPS[name], root)
            before = BEFORE.get(name, (float('nan'), float('nan')))
            print(
                f'{name:24}{seconds:8.1f}{before[0]:8.1f}'
                f'{before[0] / seconds:7.1f}{wall:8.1f}{peak:10.0f}'
                f'{before[1]:8.0f}{own:9.0f}',
                flush=True,
            )


if __name__ == '__main__':
    main()
