"""CPU time of `data check`, fingerprint and readers at the real sizes.

Writes two data sets without pixels into a temporary folder: a COCO train set
of 118,000 images and 860,000 annotations, and an ImageNet train set of 1000
class folders with 1300 empty files each. Then it measures, each in a process
of its own, what a user waits for before the first training step. CPU time is
shown, because the wall time of listing depends on the disk and its cache.

    python benchmarks/data_check.py [--scale 1.0] [--folder DIR]

The column `before` has the numbers of the code before each data set had one
layout class, measured with this program on a machine with two cores. The
fingerprint includes the comparison with the published sizes.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES, ANNOTATIONS, CLASSES, PER_CLASS = 118_000, 860_000, 1000, 1300
BEFORE = {
    'coco_mrcnn_fpn_1x check': 20.9,
    'coco_mrcnn_fpn_1x fingerprint': 10.6,
    'coco_mrcnn_fpn_1x reader': 22.9,
    'in1k_linear check': 0.7,  # it did not count the images
    'in1k_linear fingerprint': 12.8,
    'in1k_linear reader': 10.5,
}
PROBE = """
import sys, time
from pathlib import Path
what, root = sys.argv[1:]
{setup}
start = time.process_time()
{action}
used = time.process_time() - start
status = Path('/proc/self/status').read_text()  # Linux
peak = int(status.split('VmHWM:')[1].split()[0]) / 1024
print('RESULT', used, peak)
"""
CHECK = (
    'from ssl_bench.tasks.check import check_task',
    "check_task('{task}', root)",
)
FINGERPRINT = (
    'from ssl_bench.tasks.fingerprint import fingerprint, other_data\n'
    'from ssl_bench.tasks.table import find_task',
    "data = find_task('{task}').data\n"
    'fingerprint(data, root), other_data(data, root)',
)
READER = (
    'from ssl_bench import register_all_modules\n'
    'register_all_modules()\n'
    'from mmengine.registry import DATASETS, DefaultScope\n'
    'from ssl_bench.toolbox.load_images import read_with_care\n'
    'from ssl_bench.transfer.plan import make_plan\n'
    "config = make_plan('{task}', data_root=root).config\n"
    'read_with_care(config, None)\n'
    'scope = DefaultScope.get_instance(\n'
    "    'benchmark', scope_name=config.default_scope)\n",
    'DATASETS.build(config.train_dataloader.dataset)',
)


def write_coco(root: Path, scale: float) -> None:
    """Annotation files of COCO's size, and empty image files."""
    rng = random.Random(0)
    for split, share in (('train2017', scale), ('val2017', scale / 100)):
        images = [
            dict(id=i, file_name=f'{i:012d}.jpg', width=640, height=480)
            for i in range(int(IMAGES * share))
        ]
        categories = [dict(id=i, name=name) for i, name in enumerate(names())]
        annotations = [
            annotation(rng, index, len(images))
            for index in range(int(ANNOTATIONS * share))
        ]
        path = root / f'coco/annotations/instances_{split}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('w') as file:
            json.dump(
                dict(
                    images=images,
                    categories=categories,
                    annotations=annotations,
                ),
                file,
            )
        folder = root / f'coco/{split}'
        folder.mkdir()
        for row in images:
            (folder / row['file_name']).touch()


def names() -> tuple[str, ...]:
    """COCO's classes, as mmdet names them."""
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO['classes']


def annotation(rng: random.Random, index: int, images: int) -> dict:
    """A box in its image, and a polygon of ten points."""
    x, y = rng.randrange(500), rng.randrange(400)
    width, height = rng.randrange(2, 100), rng.randrange(2, 70)
    points = [
        round(at + rng.random() * side, 2)
        for _ in range(10)
        for at, side in ((x, width), (y, height))
    ]
    return dict(
        id=index,
        image_id=rng.randrange(images),
        category_id=rng.randrange(80),
        bbox=[x, y, width, height],
        area=width * height / 2,
        iscrowd=0,
        segmentation=[points],
    )


def write_folders(root: Path, scale: float) -> None:
    """An image folder of ImageNet's size with empty files."""
    for split, share in (('train', scale), ('val', scale / 26)):
        for label in range(CLASSES):
            folder = root / f'imagenet/{split}/n{label:08d}'
            folder.mkdir(parents=True)
            for index in range(max(1, int(PER_CLASS * share))):
                (folder / f'{folder.name}_{index}.JPEG').touch()


def measure(step: tuple[str, str], task: str, root: Path) -> list[float]:
    """Seconds and MiB of a step in a process of its own."""
    setup, action = (part.replace('{task}', task) for part in step)
    program = PROBE.format(setup=setup, action=action)
    done = subprocess.run(
        [sys.executable, '-c', program, task, str(root)],
        capture_output=True,
        text=True,
    )
    rows = [row for row in done.stdout.splitlines() if row[:6] == 'RESULT']
    if not rows:
        sys.exit(f'{task} failed:\n{done.stderr[-2000:]}')
    return [float(word) for word in rows[0].split()[1:]]


def main() -> None:
    """Write the data and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scale', type=float, default=1.0)
    parser.add_argument('--folder', help='to keep the data between runs')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(args.folder or temporary)
        if not (root / 'coco').exists():
            write_coco(root, args.scale)
            write_folders(root, args.scale)
        print(f'{"":30} {"seconds":>8} {"before":>8} {"MiB":>7}')
        for task in ('coco_mrcnn_fpn_1x', 'in1k_linear'):
            for name, step in (
                ('check', CHECK),
                ('fingerprint', FINGERPRINT),
                ('reader', READER),
            ):
                seconds, peak = measure(step, task, root)
                label = f'{task} {name}'
                before = BEFORE.get(label, float('nan'))
                print(
                    f'{label:30} {seconds:8.1f} {before:8.1f} {peak:7.0f}',
                    flush=True,
                )


if __name__ == '__main__':
    main()
