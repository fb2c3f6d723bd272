"""Own images with boxes, and masks, of objects in COCO's form."""

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import CocoLayout
from ssl_bench.tasks.layouts.lines import missing_files, refuse
from ssl_bench.tasks.own.data import OwnData, OwnSplit, builds
from ssl_bench.tasks.own.same import require_apart
from ssl_bench.tasks.own.same_classes import same_classes

if TYPE_CHECKING:
    from ssl_bench.tasks.layouts.skim import Skimmed


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Find the classes, and whether objects have masks.

    Each file is read once, its objects only as far as the first mask: what
    is wrong with boxes and masks is found by the readers of a run, and by
    ``ssl-bench data check``.

    Args:
        train, val (OwnSplit): As given.
        classes (Sequence[str]): Those of a list of classes, if there is one:
            the order of the labels, which else is the training file's.
        name (str): Of the data.

    Raises:
        UserError: A file is not in COCO's form, its lists are empty, images
            are not there, the classes differ, or test images are trained
            on.
    """
    for split in (train, val):
        if split.names:
            raise UserError(
                f"{split.names}: COCO's annotation file names its images "
                'itself. For a part of them write a file of that part.'
            )
    if os.path.realpath(train.labels) == os.path.realpath(val.labels):
        raise UserError(
            f'{val.labels} is both in --train-data and in --val-data: a '
            'score on images that were trained on says nothing.'
        )
    ours, theirs = _skimmed(train), _skimmed(val)
    named = (train.labels, ours.classes)
    same_classes(named, (val.labels, theirs.classes))
    if classes:
        same_classes(named, ('the list of classes', classes))
    for note in require_apart(
        ours.images, theirs.images, (train.labels, val.labels)
    ):
        logging.getLogger(__name__).warning(note)
    return OwnData(
        name=name,
        kind='coco',
        train=train,
        val=val,
        classes=tuple(classes or ours.classes),
        masked=ours.masked and theirs.masked,
    )


def _skimmed(split: OwnSplit) -> 'Skimmed':
    """An annotation file, with the paths of its images, which are there.

    Raises:
        UserError: They are not, or it cannot be used.
    """
    from ssl_bench.tasks.layouts.skim import skim  # numpy takes time

    found = skim(split.labels)
    refuse(found.lines, hint='')
    found.images = [os.path.join(split.images, name) for name in found.images]
    refuse(missing_files(split.labels, found.images))
    return found


@builds('coco')
def dataset(own: OwnData) -> Dataset:
    """Its row of the table."""
    train, val = (
        CocoLayout(
            annotations=split.labels,
            images=split.images,
            masks=own.masked,
            names=own.classes,
            whole=own.apart,
        )
        for split in (own.train, own.val)
    )
    return Dataset(title=own.title, train=(train,), test=(val,))
