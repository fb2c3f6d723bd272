"""What a usable image and object of a file in COCO's form is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ssl_bench.tasks.layouts.annotations import (
    FAR,
    MOST_PIXELS,
    Annotations,
    Numbers,
    Ragged,
)
from ssl_bench.tasks.layouts.json_rows import Category
from ssl_bench.tasks.layouts.lines import (
    FIX_ENTRIES,
    Line,
    Note,
    Problem,
    some,
)
from ssl_bench.tasks.layouts.voc import no_object

NO_AREA = 'boxes of no area'
OUTSIDE = 'boxes outside their image'
MARKED = 'objects marked `ignore`'
NO_MASK = 'objects without mask'
THIN_MASK = 'objects with a mask of fewer than three points'
OTHER_RUNS = 'objects with run lengths of another size than their image'
THIN_PART = 'parts of masks of fewer than three points'
MASK_FAULTS = (NO_MASK, THIN_MASK, OTHER_RUNS)  # scoring would stop at these
BOX_FAULTS = (NO_AREA, OUTSIDE)
# what COCO's program does with objects that are not trained on
SCORED_AS = {
    NO_AREA: 'which count as missed',
    OUTSIDE: 'which count as missed',
    MARKED: "which COCO's scorer takes for objects like others",
}
BOX_FORM = 'Boxes are x, y, width, height in pixels.'


@dataclass
class Judged:
    """What there is to say of a file.

    Attributes:
        usable (ndarray): (N,) bool, the objects that loaders keep.
        lines (list[Line]): Problems and notes.
        left_out (Counter[str]): Objects that training skips, by reason.
        remarks (list[str]): What a record should say besides.
    """

    usable: Numbers
    lines: list[Line] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


def judge(
    found: Annotations,
    where: str,
    scored: bool,
    heeds_marks: bool,
    masks: bool = True,
) -> Judged:
    """Hold a file against what loaders and scorers need.

    Args:
        found (Annotations): The file.
        where (str): Its path.
        scored (bool): Of a test set.
        heeds_marks (bool): The scorer passes over objects marked ``ignore``.
        masks (bool): Whether objects need one.
    """
    objects = found.objects
    lines, broken = _wrong(found, where), wrong_objects(found, where)
    lines += broken
    known = (objects.images >= 0) & (objects.categories >= 0)
    faults = dict(object_faults(found, scored))
    bare = masks and known.any() and not objects.masked[known].any()
    if bare:
        lines.append(_no_masks(int(known.sum()), where))
    if bare or not masks:
        for what in MASK_FAULTS:
            del faults[what]
    usable = known & ~np.logical_or.reduce([*faults.values()])
    result = Judged(usable, lines)
    for what, rows in faults.items():
        found_lines = _of_fault(
            what, _named(found, rows & known), where, scored
        )
        if scored and what not in MASK_FAULTS:
            result.remarks += found_lines
        else:
            lines += found_lines
            result.left_out[what] += 0 if scored else int((rows & known).sum())
    thin = _in_each(objects.parts, ~good_parts(objects.points))[usable].sum()
    if thin and masks and not scored:
        result.remarks.append(f'{where}: {thin} {THIN_PART} (skipped)')
    result.left_out = +result.left_out
    if broken:
        lines += map(Note, result.remarks)
        return result
    lines += _of_boxes(found, faults, where)
    real = (known if scored else usable) & ~objects.crowds
    if scored and heeds_marks:
        real &= ~objects.marked
    if known.any() and objects.crowds[known].all():
        lines.append(_all_crowds(int(known.sum()), where))
    elif not real.any():
        lines.append(no_object(where, scored))
    else:
        result.remarks += _empty_classes(found, real, where)
    lines += map(Note, result.remarks)
    return result


def object_faults(
    found: Annotations, scored: bool
) -> Iterator[tuple[str, Numbers]]:
    """Why objects are unusable, each object once: reason and (N,) bool.

    mmdet skips the objects that are named here without a word, or makes them
    regions to ignore.

    Args:
        found (Annotations): The file.
        scored (bool): Of a test set. pycocotools takes a first polygon of
            two points for a box, and cannot read one of no point or half a
            point; training cuts its targets from the good ones and needs
            one.
    """
    objects, images = found.objects, found.images
    rest = np.ones(len(objects.ids), bool)
    x, y, width, height = objects.boxes.T
    across, down = (
        _at(sizes, objects.images) for sizes in (images.widths, images.heights)
    )
    shapes = np.stack([down, across], 1)
    has_runs, masked = objects.run_sizes[:, 0] > 0, objects.masked
    good = _in_each(objects.parts, good_parts(objects.points))
    thin = ~has_runs & (good == 0)
    if scored:
        lengths = objects.points.lengths
        odd = _in_each(objects.parts, (lengths % 2 == 1) | (lengths < 2))
        first = _at(lengths, objects.parts[:-1])
        thin = ~has_runs & masked & ((odd > 0) | (first < 6))
    for what, rows in (
        (NO_AREA, ~((width >= 1) & (height >= 1) & (objects.areas > 0))),
        (
            OUTSIDE,
            (np.minimum(x + width, across) <= x.clip(0))
            | (np.minimum(y + height, down) <= y.clip(0)),
        ),
        (MARKED, objects.marked),
        (NO_MASK, ~masked),
        (THIN_MASK, thin),
        (OTHER_RUNS, has_runs & (objects.run_sizes != shapes).any(1)),
    ):
        # what the scorer needs of masks holds for objects with other faults
        bad = rows if scored and what in MASK_FAULTS else rows & rest
        yield what, bad
        rest &= ~rows


def good_parts(points: Ragged) -> Numbers:
    """Which polygons have three points or more, (P,) bool."""
    lengths = points.lengths
    good: Numbers = (lengths >= 6) & (lengths % 2 == 0)
    return good


def _in_each(parts: Numbers, flags: Numbers) -> Numbers:
    """How many of each object's polygons have a flag."""
    return np.diff(np.concatenate([[0], np.cumsum(flags)])[parts])


def _at(values: Numbers, rows: Numbers) -> Numbers:
    """The values of some rows; 0 for rows that are not there."""
    if not len(values):
        return np.zeros(len(rows), np.int64)
    return np.where(
        (rows >= 0) & (rows < len(values)),
        values[rows.clip(0, len(values) - 1)],
        0,
    )


def _of_fault(
    what: str, names: list[str], where: str, scored: bool
) -> list[Line]:
    if not scored:
        return some(f'{what} (skipped)', names, where, Note)
    if what in MASK_FAULTS:
        what = f'{what} to be scored against'
        return some(what, names, where, remedy=FIX_ENTRIES)
    return some(f'{what}, {SCORED_AS[what]}', names, where, Note)


def _no_masks(objects: int, where: str) -> Problem:
    """What to say of a file with boxes only."""
    return Problem(
        f'{where}: none of its {objects} objects has a mask (`segmentation`), '
        'and this task trains on masks and scores them. Write polygons, or '
        'use a task of boxes alone, such as coco_frcnn_fpn_1x.'
    )


def _all_crowds(objects: int, where: str) -> Problem:
    """What to say of a file as some programs write it from brushed masks."""
    return Problem(
        f'{where}: all {objects} objects are marked `iscrowd`, as regions of '
        'many objects, which are not trained on or scored. Write 0 for '
        'single objects.'
    )


def _named(found: Annotations, rows: Numbers) -> list[str]:
    return [f'id {key}' for key in found.objects.ids[rows].tolist()]


def _wrong(found: Annotations, where: str) -> list[Line]:
    """Images and categories that contradict each other."""
    lines: list[Line] = []
    images = found.images
    pixels = images.widths.astype(float) * images.heights
    no_size = (images.widths < 1) | (images.heights < 1)
    keys = images.ids.tolist()
    paths = [images.name(row) for row in range(len(keys))]
    twice = repeated(keys)
    for what, rows in (
        ('images of no size', no_size),
        (f'images of over {MOST_PIXELS} pixels', pixels > MOST_PIXELS),
        ('image ids twice', twice),
        ('images whose file was named before', repeated(paths) & ~twice),
    ):
        names = [f'id {key}' for key in images.ids[rows].tolist()]
        lines += some(what, names, where, remedy=FIX_ENTRIES)
    return lines + wrong_categories(found.categories, where)


def wrong_categories(found: Sequence[Category], where: str) -> list[Line]:
    """Categories that contradict each other."""
    lines: list[Line] = []
    for what, values in (
        ('category ids twice', [row.id for row in found]),
        ('category names twice', [row.name for row in found]),
    ):
        names = [repr(v) for v, r in zip(values, repeated(values)) if r]
        lines += some(what, names, where, remedy=FIX_ENTRIES)
    return lines


def other_classes(
    found: Sequence[str],
    want: Sequence[str],
    where: str,
    ordered: bool = False,
) -> list[Line]:
    """A problem when a file has not the classes of its task.

    Args:
        found (Sequence[str]): Names in the file.
        want (Sequence[str]): Those of the task, in the order of its labels;
            any when empty.
        where (str): The file.
        ordered (bool): Labels are places in the file, not found by name.
    """
    common = [name for name in found if name in want]
    if len(common) != len(want):
        text = (
            f'{where} knows {len(common)} of the {len(want)} classes of this '
            'task. Its `categories` must name every class; their ids can be '
            'any numbers.'
        )
    elif ordered and common != list(want):
        text = (
            f'{where} has the `categories` of this task in another order, '
            f'{common[0]} first instead of {want[0]}. Sort them in the same '
            'way in every file.'
        )
    else:
        return []
    return [Problem(text)]


def wrong_objects(found: Annotations, where: str) -> list[Line]:
    """Entries that cannot be read, and objects that no program takes."""
    lines: list[Line] = []
    for what, names in found.faults.items():
        lines += some(what, names, where, remedy=FIX_ENTRIES)
    for what, rows in impossible(found):
        lines += some(what, _named(found, rows), where, remedy=FIX_ENTRIES)
    return lines


def impossible(found: Annotations) -> Iterator[tuple[str, Numbers]]:
    """What is wrong with objects, and (N,) bool."""
    objects = found.objects
    lost = objects.images < 0
    yield 'annotation ids twice', repeated(objects.ids.tolist())
    yield 'annotations of an unknown image', lost
    yield (
        'annotations of an unknown category',
        ~lost & (objects.categories < 0),
    )
    far: Numbers = abs(objects.boxes).max(1, initial=0) > FAR
    points = objects.points
    if len(points.values):
        ends = points.values.min(), points.values.max()
        if max(map(abs, map(points.numbers, map(float, ends)))) > FAR:
            beyond = abs(points.numbers(points.values)) > FAR
            counts = np.concatenate([[0], np.cumsum(beyond)])
            far |= np.diff(counts[points.ends[objects.parts]]) > 0
    yield f'annotations with a point over {FAR} pixels away', far


def repeated(values: list[Any]) -> Numbers:
    """Which values have been there before, (N,) bool."""
    if len(set(values)) == len(values):
        return np.zeros(len(values), bool)
    seen: set[Any] = set()
    # `add` gives None
    again = [value in seen or bool(seen.add(value)) for value in values]  # type: ignore[func-returns-value]
    return np.array(again)


def _of_boxes(
    found: Annotations, faults: dict[str, Numbers], where: str
) -> Iterator[Line]:
    """A problem when the boxes as a whole mean something else."""
    objects, count = found.objects, len(found.objects.ids)
    if not count:
        return
    boxes = objects.boxes
    x, y, width, height = boxes.T
    small = int(((boxes >= 0) & (boxes <= 1)).all(1).sum())
    across, down = (
        _at(sizes, objects.images)
        for sizes in (found.images.widths, found.images.heights)
    )
    beyond = (x + width > across + 1) | (y + height > down + 1)
    corners = (width > x) & (height > y)
    corners &= (width <= across + 1) & (height <= down + 1)
    bad = int(sum(faults[what].sum() for what in BOX_FAULTS))
    if 2 * small > count:
        yield Problem(
            f'{where}: {small} of {count} boxes lie between 0 and 1: they '
            f'are shares of the image. {BOX_FORM} Multiply them by its size.'
        )
    elif beyond.sum() >= max(3, count / 10) and corners.mean() > 0.99:
        yield Problem(
            f'{where}: {int(beyond.sum())} of {count} boxes reach out of '
            'their image, and would fit if they were x1, y1, x2, y2. '
            f'{BOX_FORM} Write x2 - x1 and y2 - y1.'
        )
    elif 2 * bad > count:
        yield Problem(
            f'{where}: {bad} of {count} boxes have no area or lie outside '
            f'their image. {BOX_FORM}'
        )


def _empty_classes(found: Annotations, rows: Numbers, where: str) -> list[str]:
    total = len(found.categories)
    counts = np.bincount(found.objects.categories[rows], minlength=total)
    empty = np.flatnonzero(counts == 0).tolist()
    if not empty:
        return []
    first = found.categories[empty[0]].name
    return [
        f'{where}: {len(empty)} of {total} classes have no object, first '
        f'{first}'
    ]
