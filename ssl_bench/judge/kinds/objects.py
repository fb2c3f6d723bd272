"""Boxes of objects: a detector on a frozen backbone, and fine-tuning it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.judge.kinds.kind import Kind, Labels, keep_text, write_list
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.settings import Length, Mode
from ssl_bench.tasks.layouts.coco_part import part_of_file
from ssl_bench.tasks.own import OwnData, OwnSplit
from ssl_bench.transfer.trained import FROZEN as HELD

LARGEST = 448  # pixels of the short side of an image
LONGEST = 1333 / 800  # of a long side, in short sides, as in the papers
SMALLER = (0.8, 0.9, 1.0)  # short sides that training draws from
ANCHORS = 64  # the largest is the short side: the fifth level has stride 64
FINEST = 7  # RoI levels in scales of anchors; 56 and 8 in the papers
WARM_UP = 50  # iterations, at most a quarter of all
LENGTH = Length(6, 200, 6000, 4)
TASK = 'judge_detection'
RATES = (3e-4, 1e-3, 3e-3)


def read_coco(own: OwnData) -> Labels:
    """Classes of the objects that a detector is trained on, by file name.

    Raises:
        UserError: The annotation file has a fault.
    """
    boxes = own.model_copy(update=dict(masked=False))
    reading: Any = boxes.dataset().train[0].read()
    reading.refuse()
    found = reading.annotations
    label = [own.classes.index(row.name) for row in found.categories]
    classes: list[set[int]] = [set() for _ in found.images.ids]
    objects = found.objects
    for row in (reading.usable & ~objects.crowds).nonzero()[0]:
        classes[objects.images[row]].add(label[objects.categories[row]])
    return {
        found.images.name(image): frozenset(shown)
        for image, shown in enumerate(classes)
    }


def write_coco(
    own: OwnData, labels: Labels, names: Sequence[str], path: Path
) -> OwnSplit:
    """An annotation file of some images, and a list of them."""
    file = path.with_name(f'{path.name}.json')
    keep_text(file, part_of_file(own.train.labels, names))
    listed = write_list(own, names, path)
    return listed.model_copy(update=dict(labels=str(file)))


def read_voc(own: OwnData) -> Labels:
    """Classes of the objects that a detector is trained on, by name.

    Raises:
        UserError: The XML files have a fault.
    """
    reading: Any = own.dataset().train[0].read()
    reading.refuse()
    return {
        entry.name: frozenset(
            own.classes.index(box.name) for box in entry.boxes
        )
        for entry in reading.entries
    }


def write_voc(
    own: OwnData, labels: Labels, names: Sequence[str], path: Path
) -> OwnSplit:
    """A list of names of XML files."""
    return write_list(own, names, path)


def overrides(
    way: Mode, images: int, rate: float, side: int, share: float
) -> dict[str, Any]:
    """As `Kind.overrides`.

    Anchors have five sizes, each twice the one before; the largest is the
    short side of an image.
    """
    count = way.length.iterations(images, share)
    scale, longest = side / ANCHORS, round(side * LONGEST)
    train = 'train_dataloader.dataset.pipeline'
    return {
        f'{train}.RandomChoiceResize.scales': [
            (longest, round(side * part)) for part in SMALLER
        ],
        'test_dataloader.dataset.pipeline.Resize.scale': (longest, side),
        'model.rpn_head.anchor_generator.scales': [scale],
        'model.roi_head.bbox_roi_extractor.finest_scale': FINEST * scale,
        'optim_wrapper.optimizer.lr': rate,
        'train_cfg.max_iters': count,
        'train_cfg.val_interval': count,
        'default_hooks.checkpoint.interval': count,
        'param_scheduler.LinearLR.end': max(1, min(WARM_UP, count // 4)),
        'param_scheduler.CosineAnnealingLR': dict(T_max=count, end=count),
    }


MODES = {
    # the heads cost about as much as a small network
    FROZEN: Mode(TASK, RATES, LENGTH, train=HELD, cost=4.0, test_cost=2.0),
    FINE_TUNED: Mode(TASK, RATES, LENGTH, cost=6.0, test_cost=2.0),
}
COCO = Kind(
    "COCO's annotation files", MODES, read_coco, write_coco, overrides, LARGEST
)
VOC = Kind("VOC's XML files", MODES, read_voc, write_voc, overrides, LARGEST)
