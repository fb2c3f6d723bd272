"""Own images with masks of labels."""

import logging
from collections.abc import Sequence

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import PairedMaskLayout
from ssl_bench.tasks.layouts.lines import Line, Problem, refuse
from ssl_bench.tasks.layouts.masks import (
    BEYOND,
    IGNORED_ONLY,
    Masked,
    single_label,
)
from ssl_bench.tasks.own.data import OwnData, OwnSplit, builds
from ssl_bench.tasks.own.same import require_apart

OPENED = 5000  # training masks that are looked into; of a test set all are


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Pair images and masks, and look into the masks.

    Args:
        train, val (OwnSplit): As given.
        classes (Sequence[str]): In the order of the labels, from 0.
        name (str): Of the data.

    Raises:
        UserError: No list of classes, images without masks or the other way
            round, masks that do not fit their image or the classes, one
            label in all masks, or test images that are trained on.
    """
    if not classes:
        raise UserError(
            f'{train.labels} holds masks, which do not name their classes: '
            'write one class in a line, in the order of the labels from 0, '
            'and name the file with --classes.'
        )
    if len(classes) == 1:
        raise UserError(
            f'the list of classes names one class only, {classes[0]}: there '
            'is nothing to tell apart. Masks have a class for the '
            'background, too: name it first.'
        )
    own = OwnData(
        name=name, kind='masks', train=train, val=val, classes=tuple(classes)
    )
    images = []
    for split in (train, val):
        layout = _layout(own, split)
        reading = layout.read(scored=split is val)
        refuse(reading.lines, hint='')
        _look_into(layout, reading.entries, len(classes), split is val)
        images.append([entry.image for entry in reading.entries])
    ours, theirs = images
    for note in require_apart(ours, theirs, (train.images, val.images)):
        logging.getLogger(__name__).warning(note)
    return own


def _look_into(
    layout: PairedMaskLayout,
    entries: Sequence[Masked],
    classes: int,
    every: bool,
) -> None:
    """Refuse masks that do not fit, of which training would skip some.

    Raises:
        UserError: As `read`.
    """
    step = 1 if every else -(-len(entries) // OPENED)
    chosen = entries[::step]
    faults = layout.mask_faults(chosen)
    if not every and len(faults.get(IGNORED_ONLY, {})) < len(chosen):
        faults.pop(IGNORED_ONLY, None)  # a part of an image without a label
    lines: list[Line] = [
        _fault(layout.masks, what, found, len(chosen), classes)
        for what, found in faults.items()
    ]
    lines = lines or single_label(
        (entry.mask for entry in chosen), layout.masks
    )
    refuse(lines, hint='')


def _fault(
    where: str, what: str, found: dict[str, str], opened: int, classes: int
) -> Problem:
    """One line for a fault of masks."""
    first = next(iter(found))
    remedy = (
        f'The list of classes has {classes}, for the labels 0 to '
        f'{classes - 1}: complete it (is the background its first line?), or '
        'correct the masks'
        if what == BEYOND
        else 'Correct them, or take them out'
    )
    return Problem(
        f'{where}: {len(found)} of {opened} {what}, first {first}: it '
        f'{found[first]}. {remedy}.'
    )


@builds('masks')
def dataset(own: OwnData) -> Dataset:
    """Its row of the table."""
    return Dataset(
        title=own.title,
        train=(_layout(own, own.train),),
        test=(_layout(own, own.val),),
    )


def _layout(own: OwnData, split: OwnSplit) -> PairedMaskLayout:
    return PairedMaskLayout(
        images=split.images,
        masks=split.labels,
        list_file=split.names,
        labels=len(own.classes),
    )
