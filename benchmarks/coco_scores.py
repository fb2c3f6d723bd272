"""Time of scoring detections on a test set of COCO's size, and equality.

Makes 5000 images with 36,781 objects (`coco_reading.py` writes them) and 100
detections for each image, with boxes and masks: most of them lie near an
object. Then the metric of the COCO tasks scores the same detections with each
of its scorers, in turns, and the numbers are compared.

    python benchmarks/coco_scores.py [--scale 1.0] [--repeats 3]

`metric` is all that a test does after the last image: reading the
annotations, listing the detections, and scoring boxes and masks. The other
column is the part of it inside the scorer's package: `loadRes`, `evaluate`,
`accumulate` and `summarize`. Seconds are CPU time of the process and its
threads: minimum, median and maximum of the repeats. A ratio is to the fast
scorer, of the same repeat. mmdet's own metric, which writes the detections to
a file and reads them again, uses pycocotools.
"""

import argparse
import contextlib
import io
import logging
import platform
import statistics
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from coco_reading import (
    HEIGHT,
    TEST_IMAGES,
    TEST_OBJECTS,
    WIDTH,
    write_annotations,
)

DETECTIONS = 100  # an image
STOCK = "mmdet's CocoMetric"
SCORERS = ('pycocotools', 'faster-coco-eval')


def detections(metric, path: Path) -> list[tuple[dict, dict]]:
    """What the metric has collected when the last image is done.

    Args:
        metric (ExactCocoMetric): Reads the annotations.
        path (Path): Of the annotations.
    """
    from pycocotools import mask as coding

    rng = np.random.default_rng(0)
    truth = metric.content(str(path))
    objects: dict[int, list[dict]] = {row['id']: [] for row in truth['images']}
    for row in truth['annotations']:
        objects[row['image_id']].append(row)
    found = []
    for image, rows in objects.items():
        boxes = rng.uniform((0, 0, 8, 8), (400, 300, 200, 150), (100, 4))
        labels = rng.integers(0, 80, DETECTIONS)
        if rows:
            near = rng.integers(0, len(rows), 70)  # the others are anywhere
            places = np.array([row['bbox'] for row in rows])
            kinds = np.array([row['category_id'] - 1 for row in rows])
            boxes[:70] = places[near] + rng.normal(0, 6, (70, 4))
            right = rng.random(70) < 0.7
            labels[:70][right] = kinds[near][right]
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes = boxes.clip(0, (WIDTH, HEIGHT) * 2).astype(np.float32)
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        radii = (boxes[:, 2:] - boxes[:, :2]) / 2
        outlines = middle[:, None] + ring * radii[:, None]
        masks = coding.frPyObjects(
            outlines.reshape(DETECTIONS, -1).tolist(), HEIGHT, WIDTH
        )
        found.append(
            (
                dict(width=WIDTH, height=HEIGHT, img_id=image),
                dict(
                    img_id=image,
                    bboxes=boxes,
                    labels=labels,
                    scores=rng.random(DETECTIONS).astype(np.float32),
                    masks=masks,
                ),
            )
        )
    return found


def built(scorer: str, path: Path):
    """The metric of the COCO tasks, or mmdet's."""
    from mmdet.datasets import CocoDataset
    from mmengine.registry import METRICS

    from ssl_bench.transfer.plan import make_plan

    settings = make_plan('coco_mrcnn_fpn_1x').config.test_evaluator
    kind = dict(type=f'mmdet.{settings.type}', scorer=scorer)
    if scorer == STOCK:
        kind = dict(type='mmdet.CocoMetric')
    metric = METRICS.build({**settings, **kind, 'ann_file': str(path)})
    metric.dataset_meta = CocoDataset.METAINFO
    return metric


def whole(scorer: str, path: Path, found: list) -> tuple[dict, float]:
    """Numbers and CPU seconds of a metric."""
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        numbers = built(scorer, path).compute_metrics(found)
    return numbers, time.process_time() - start


def alone(scorer: str, path: Path, found: list) -> float:
    """CPU seconds inside the scorer's package."""
    from ssl_bench.toolbox.coco_scores import to_score

    metric, seconds = built(scorer, path), 0.0
    truth = metric.indexed(metric.content(str(path)))
    for kind in metric.metrics:
        rows = to_score([found for _, found in found], metric.cat_ids, kind)
        for row in rows:
            row.pop('bbox' if kind == 'segm' else '', None)
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            made = metric.scorers()['COCOeval'](
                truth, truth.loadRes(rows), kind
            )
            made.params.maxDets = [*metric.proposal_nums]
            made.evaluate()
            made.accumulate()
            made.summarize()
        seconds += time.process_time() - start
    return seconds


def spread(values: list[float], digits: int = 1) -> str:
    """Minimum, median and maximum."""
    three = (min(values), statistics.median(values), max(values))
    return ' / '.join(f'{value:.{digits}f}' for value in three)


def main() -> int:
    """Print a table; 1 if the numbers are not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--scale', type=float, default=1.0)
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    from mmdet.datasets import CocoDataset

    from ssl_bench import register_all_modules

    register_all_modules()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'truth.json'
        images = max(int(TEST_IMAGES * args.scale), 2)
        objects = max(int(TEST_OBJECTS * args.scale), 8)
        write_annotations(
            path, images, objects, CocoDataset.METAINFO['classes']
        )
        found = detections(built('pycocotools', path), path)
        runs = [
            {
                name: (
                    *whole(name, path, found),
                    0 if name == STOCK else alone(name, path, found),
                )
                for name in (STOCK, *SCORERS)
            }
            for _ in range(args.repeats)
        ]
    packages = ', '.join(
        f'{name} {metadata.version(name)}' for name in SCORERS
    )
    print(
        f'{images} images, {objects} objects, {DETECTIONS} detections an '
        f'image, boxes and masks; {platform.machine()}, Python '
        f'{platform.python_version()}, {packages}'
    )
    print(f'{"CPU s":32}{"metric":>22}{"inside the package":>22}')
    for name in (STOCK, *SCORERS):
        columns = [spread([run[name][k] for run in runs]) for k in (1, 2)]
        columns[1] = '' if name == STOCK else columns[1]
        print(f'{name:32}{columns[0]:>22}{columns[1]:>22}')
    for name in (STOCK, SCORERS[0]):
        columns = [
            spread([run[name][k] / run[SCORERS[1]][k] for run in runs], 2)
            for k in (1, 2)
        ]
        columns[1] = '' if name == STOCK else columns[1]
        print(f'{"ratio to " + name:32}{columns[0]:>22}{columns[1]:>22}')
    slow, fast = (runs[0][name][0] for name in SCORERS)
    worst = max(abs(slow[name] - fast[name]) for name in slow)
    print(
        f'{len(slow)} numbers, largest difference {worst:.1e}; '
        f'segm_mAP {slow["segm_mAP"]:.6f}'
    )
    return int(worst > 1e-9 or slow.keys() != fast.keys())


if __name__ == '__main__':
    sys.exit(main())
