"""Own images, one folder for each class."""

import logging
from collections.abc import Sequence

from ssl_bench.errors import UserError, one_line
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import FolderLayout, ListLayout
from ssl_bench.tasks.layouts.folders import class_folders
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.own.classes import check_classes
from ssl_bench.tasks.own.data import OwnData, OwnSplit, builds
from ssl_bench.tasks.own.same import require_apart


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Find the classes.

    Args:
        train, val (OwnSplit): As given.
        classes (Sequence[str]): Those of a list of classes, if there is one:
            the order of the labels, which else is that of the names.
        name (str): Of the data.

    Raises:
        UserError: A folder has no classes, one only, or one without an
            image; the two have other ones; the list has others; or test
            images are trained on.
    """
    ours, theirs = (_classes(split) for split in (train, val))
    if ours != theirs:
        alone = sorted({*ours} ^ {*theirs})[0]
        raise UserError(
            f'the classes of {train.images} ({len(ours)}) and of {val.images} '
            f'({len(theirs)}) differ: {alone} is not in both.'
        )
    if classes and sorted(classes) != sorted(ours):
        alone = sorted({*ours} ^ {*classes})[0]
        raise UserError(
            f'the list of classes ({len(classes)}) does not have the class '
            f'folders of {train.images} ({len(ours)}): {alone} is not in '
            'both. It only gives their order.'
        )
    own = OwnData(
        name=name,
        kind='folders',
        train=train,
        val=val,
        classes=tuple(classes or ours),
    )
    images = []
    for split in (train, val):
        reading = layout_of(own, split).read(scored=split is val)
        refuse(reading.lines, hint='')
        images.append([entry.image for entry in reading.entries])
    trained, tested = images
    places = train.images, val.images
    for note in require_apart(trained, tested, places):
        logging.getLogger(__name__).warning(note)
    return own


def _classes(split: OwnSplit) -> list[str]:
    """Sorted names of the class folders.

    Raises:
        UserError: There are none, or one.
    """
    try:
        names = class_folders(split.images)
    except OSError as error:
        raise UserError(
            f'{split.images} cannot be read: {one_line(error)}.'
        ) from error
    if not names:
        raise UserError(
            f'{split.images} has no class folders; expected <class>/<image> '
            'below it, or labels as a second path.'
        )
    check_classes(names, split.images)
    return names


@builds('folders')
def dataset(own: OwnData) -> Dataset:
    """Its row of the table."""
    return Dataset(
        title=own.title,
        train=(layout_of(own, own.train),),
        test=(layout_of(own, own.val),),
    )


def layout_of(own: OwnData, split: OwnSplit) -> FolderLayout | ListLayout:
    """One split on disk."""
    if split.names:
        return ListLayout(
            list_file=split.names,
            images=split.images,
            classes=len(own.classes),
            names=own.classes,
            by_folder=True,
        )
    return FolderLayout(folder=split.images, names=own.classes)
