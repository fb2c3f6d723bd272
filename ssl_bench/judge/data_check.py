"""Which test images a pretraining, or the training, has seen before."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ssl_bench.errors import UserError, one_line, shown
from ssl_bench.judge.duplicates import Duplicates, find_duplicates
from ssl_bench.judge.looked import Looked, look_at_files, look_at_storage

if TYPE_CHECKING:
    from ssl_bench.tasks.layouts import Layout
    from ssl_bench.tasks.own import OwnData

OPTION = '--pretrain-data'
Show = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DataCheck:
    """What was seen before.

    Attributes:
        train (Duplicates): Test images among the training images.
        pretrain (Mapping[str, Duplicates]): Test images among those of the
            pretraining, by the label of the checkpoint.
        notes (Mapping[str, str]): By label, why its images were not looked
            at, or why they may be other ones.
    """

    train: Duplicates
    pretrain: Mapping[str, Duplicates]
    notes: Mapping[str, str]


def check_data(
    own: 'OwnData',
    headers: Mapping[str, Mapping[str, Any]],
    pretrain_data: str | None = None,
    jobs: int | None = None,
    show: Show | None = None,
) -> DataCheck:
    """Look for the test images among those of the training and pretrainings.

    Args:
        own (OwnData): Images and labels.
        headers (Mapping): Headers of the checkpoints, by label. Their
            ``read`` says where a pretraining of this project found its
            images.
        pretrain_data (str, optional): Images of the pretraining of all
            checkpoints, as `open_storage` takes them; without it, those that
            the headers name.
        jobs (int, optional): Processes; one for each core when None.
        show (Callable, optional): Called with what is looked at, images
            done, and all.

    Raises:
        UserError: ``pretrain_data`` is not there or has no images.
    """

    def told(title: str) -> Callable[[int, int], None] | None:
        return show and partial(show, title)

    known: dict[str, Looked | str] = {}
    if pretrain_data:  # before anything takes time
        known[pretrain_data] = _looked_at(
            pretrain_data,
            True,
            jobs,
            told(f'images of {shown(pretrain_data, 60)}'),
        )
    dataset = own.dataset()
    test, train = (
        look_at_files(home, image_paths(layouts), jobs, told(title))
        for layouts, home, title in (
            (dataset.test, own.val.images, 'test images'),
            (dataset.train, own.train.images, 'training images'),
        )
    )
    pretrain, notes = {}, {}
    for label, header in headers.items():
        read = header.get('read') or {}
        folder = pretrain_data or str(read.get('folder') or '')
        if not folder:
            notes[label] = 'it does not say which images it has seen'
            continue
        if folder not in known:
            title = f'images of {shown(folder, 60)}'
            known[folder] = _looked_at(folder, False, jobs, told(title))
        other = known[folder]
        if isinstance(other, str):
            notes[label] = other
            continue
        pretrain[label] = find_duplicates(test, other)
        names = read.get('fingerprint')
        if names and names != other.images.names.fingerprint():
            notes[label] = (
                f'{shown(other.place, 60)} has other file names than its '
                'pretraining has read'
            )
    return DataCheck(find_duplicates(test, train), pretrain, notes)


def _looked_at(
    folder: str,
    given: bool,
    jobs: int | None,
    show: Callable[[int, int], None] | None,
) -> Looked | str:
    """The images of a pretraining, or why they cannot be looked at.

    Raises:
        UserError: The user named them.
    """
    try:
        return look_at_storage(folder, jobs, show)
    except UserError as error:
        if given:
            raise UserError(f'{OPTION}: {error}') from error
        if '*' not in folder and not os.path.exists(folder):
            return f'{shown(folder, 100)} is not there'
        return one_line(error).rstrip('.')


def image_paths(layouts: Iterable['Layout']) -> list[str]:
    """Files of the images of a training or test set, sorted.

    Args:
        layouts (Iterable[Layout]): With full paths.

    Raises:
        UserError: One cannot be read.
    """
    found: set[str] = set()
    for layout in layouts:
        reading = layout.read()
        reading.refuse()
        found.update(entry.image for entry in reading.entries)
    return sorted(found)
