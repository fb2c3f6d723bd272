"""Own images, one folder for each class."""

from collections.abc import Sequence
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import FolderLayout, Layout, ListLayout
from ssl_bench.tasks.own.data import OwnData, OwnSplit


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Find the classes.

    Args:
        train, val (OwnSplit): As given.
        classes (Sequence[str]): Those of a list of classes, if there is one.
        name (str): Of the data.

    Raises:
        UserError: A folder has no classes, or the two have other ones.
    """
    ours, theirs = (_classes(split) for split in (train, val))
    if ours != theirs:
        alone = sorted({*ours} ^ {*theirs})[0]
        raise UserError(
            f'the classes of {train.images} ({len(ours)}) and of {val.images} '
            f'({len(theirs)}) differ: {alone} is not in both.'
        )
    return OwnData(
        name=name, kind='folders', train=train, val=val, classes=tuple(ours)
    )


def _classes(split: OwnSplit) -> list[str]:
    layout = FolderLayout(folder=split.images)
    return list(layout.images())


def dataset(own: OwnData) -> Dataset:
    """Its row of the table."""
    return Dataset(
        title=own.title,
        train=(_layout(own, own.train),),
        test=(_layout(own, own.val),),
    )


def _layout(own: OwnData, split: OwnSplit) -> Layout:
    if split.names:
        return ListLayout(
            list_file=str(Path(split.names)),
            images=split.images,
            classes=len(own.classes),
        )
    return FolderLayout(folder=split.images)
