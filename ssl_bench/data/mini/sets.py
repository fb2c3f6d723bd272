"""What makes up the embedded data: every image a job, every set a plan."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ssl_bench.data.mini import coco, folder, nyu, spair, voc
from ssl_bench.data.mini.names import CLASSES
from ssl_bench.environment import ENDING
from ssl_bench.errors import UserError

#: (seed, set, index): seeds the generator of one image, so that no image
#: depends on another, on the sizes of the sets or on who computes it.
Key = tuple[int, int, int]
Job = tuple[Callable, Key, tuple]
#: Fewer images than this are not worth a second process.
WORTH_A_PROCESS = 100


@dataclass
class Plan:
    """One set: its images, and what is written when they are done.

    Attributes:
        jobs (list): (function, key, arguments) each; the function is called
            with a generator and the arguments.
        finish (Callable): Called with the list of the jobs' results.
    """

    jobs: list[Job]
    finish: Callable[[list], None] = lambda results: None


def plans(part: Path, seed: int, sizes: Any) -> list[Plan]:
    """Make the empty folders under ``part`` and plan every set.

    Args:
        part (Path): Where the data are built.
        seed (int): Of everything.
        sizes (MiniSizes): Numbers of images and their sizes.
    """
    all_plans = []
    for stream, split in ((0, 'train'), (1, 'val')):
        home = part / 'imagenet' / split
        all_plans.append(
            Plan(
                [
                    (
                        folder.write_image,
                        (seed, stream, index),
                        (home, index, sizes.imagenet_px),
                    )
                    for index in range(getattr(sizes, f'imagenet_{split}'))
                ]
            )
        )
    all_plans += [
        _voc07(part / 'VOCdevkit/VOC2007', seed, sizes),
        _voc12(part / 'VOCdevkit/VOC2012', seed, sizes),
    ]
    for stream, split in ((4, 'train'), (5, 'val')):
        all_plans.append(
            _coco(
                part / 'coco',
                seed,
                stream,
                f'{split}2017',
                getattr(sizes, f'coco_{split}'),
                sizes.px,
            )
        )
    for stream, split in ((6, 'train'), (7, 'test')):
        all_plans.append(
            _nyu(
                part / 'nyu',
                seed,
                stream,
                split,
                getattr(sizes, f'nyu_{split}'),
                sizes.px,
            )
        )
    for stream, split in ((8, 'trn'), (9, 'val'), (10, 'test')):
        all_plans.append(
            _spair(
                part / 'SPair-71k',
                seed,
                stream,
                split,
                getattr(sizes, f'spair_{split}'),
                sizes.px,
            )
        )
    return all_plans


def _voc07(home: Path, seed: int, sizes: Any) -> Plan:
    count = sizes.voc07_trainval + sizes.voc07_test
    ids = [f'{index + 1:06d}' for index in range(count)]
    _make(home, 'JPEGImages', 'Annotations', 'ImageSets/Main')

    def finish(results: list) -> None:
        trainval = ids[: sizes.voc07_trainval]
        voc.write_image_sets(
            home,
            dict(
                train=trainval[::2],
                val=trainval[1::2],
                trainval=trainval,
                test=ids[sizes.voc07_trainval :],
            ),
            dict(zip(ids, results)),
        )

    return Plan(
        [
            (
                voc.write_image,
                (seed, 2, index),
                (home, image_id, sizes.px, False),
            )
            for index, image_id in enumerate(ids)
        ],
        finish,
    )


def _voc12(home: Path, seed: int, sizes: Any) -> Plan:
    masks = sizes.seg_train + sizes.seg_val
    count = max(sizes.voc12_trainval, masks)
    ids = [f'2012_{index + 1:06d}' for index in range(count)]
    _make(
        home,
        'JPEGImages',
        'Annotations',
        'ImageSets/Main',
        'ImageSets/Segmentation',
        'SegmentationClass',
        'SegmentationObject',
    )

    def finish(results: list) -> None:
        trainval = ids[: sizes.voc12_trainval]
        voc.write_image_sets(
            home,
            dict(train=trainval[::2], val=trainval[1::2], trainval=trainval),
            dict(zip(ids, results)),
        )
        voc.write_segmentation_sets(home, ids, sizes.seg_train, masks)

    return Plan(
        [
            (
                voc.write_image,
                (seed, 3, index),
                (home, image_id, sizes.px, index < masks),
            )
            for index, image_id in enumerate(ids)
        ],
        finish,
    )


def _coco(
    home: Path, seed: int, stream: int, split: str, count: int, size: int
) -> Plan:
    _make(home, split, 'annotations')
    # ids with gaps, as the real ones
    steps = np.random.default_rng((seed, stream + 100, 0)).integers(
        1, 400, size=count
    )
    return Plan(
        [
            (
                coco.write_image,
                (seed, stream, index),
                (home / split, image_id, size),
            )
            for index, image_id in enumerate(np.cumsum(steps).tolist())
        ],
        partial(
            coco.write_instances,
            home / 'annotations' / f'instances_{split}.json',
        ),
    )


def _nyu(
    home: Path, seed: int, stream: int, split: str, count: int, size: int
) -> Plan:
    _make(home, split)

    def finish(lines: list) -> None:
        (home / f'nyu_{split}.txt').write_text(''.join(lines))

    return Plan(
        [
            (
                nyu.write_image,
                (seed, stream, index),
                (home, split, index, size),
            )
            for index in range(count)
        ],
        finish,
    )


def _spair(
    home: Path, seed: int, stream: int, split: str, count: int, size: int
) -> Plan:
    _make(
        home,
        'Layout/large',
        f'PairAnnotation/{split}',
        *(f'JPEGImages/{name}' for name in CLASSES),
        *(f'ImageAnnotation/{name}' for name in CLASSES),
    )
    return Plan(
        [
            (
                spair.write_image,
                (seed, stream, index),
                (home, index % len(CLASSES), f'{split}_{index:06d}', size),
            )
            for index in range(count * len(CLASSES))
        ],
        partial(spair.write_pairs, home, split),
    )


def _make(home: Path, *names: str) -> None:
    for name in names:
        (home / name).mkdir(parents=True, exist_ok=True)


def run_job(job: Job) -> Any:
    """Do one job with the generator of its key."""
    function, key, arguments = job
    return function(np.random.default_rng(key), *arguments)


@contextmanager
def each_result(jobs: list[Job]) -> Iterator[Iterator[Any]]:
    """Give the results of all jobs, in order, from every core there is.

    Processes are forked, which costs nothing and imports nothing; where
    that is not offered (Windows), or for few jobs, all is done right here.
    """
    workers = min(_cores(), len(jobs) // WORTH_A_PROCESS)
    if workers < 2 or 'fork' not in multiprocessing.get_all_start_methods():
        yield map(run_job, jobs)
        return
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context('fork'), _of_a_worker
    ) as pool:
        try:
            yield pool.map(run_job, jobs, chunksize=8)
        except BrokenProcessPool as error:
            raise UserError(
                'a process that draws the images was ended from outside; '
                'there may be too little memory. Run the same command again.'
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _of_a_worker() -> None:
    """Signals of a process that draws, which reach the whole group.

    Only the first process acts on Ctrl-C. What ends a process ends this one
    at once, and the executor then ends the others; a handler that it has
    from its parent would not.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def _cores() -> int:
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
