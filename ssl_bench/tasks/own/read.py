"""Own data as a user names them: paths, and what kind they are."""

import os
from collections.abc import Sequence
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import visible_files
from ssl_bench.tasks.own import folders, masks
from ssl_bench.tasks.own.classes import read_classes
from ssl_bench.tasks.own.data import Kind, OwnData, OwnSplit


def read_own_data(
    train: Sequence[str],
    val: Sequence[str],
    classes: str | None = None,
    name: str | None = None,
) -> OwnData:
    """Find out what kind the data are, and which classes they have.

    Args:
        train, val (Sequence[str]): A folder of class folders; or a folder of
            images and, behind it, COCO's annotation file, a folder of VOC's
            XML files, or a folder of masks; and a list of names, if not all
            images are taken.
        classes (str, optional): File with one class in a line, in the order
            of the labels. Masks need it; of others it fixes the order.
        name (str, optional): Of the data; that of the folder above the
            training images if left out.

    Raises:
        UserError: In one line what is wrong: paths, labels without images,
            classes that differ, one class only, training images that are the
            test images.
    """
    ours, theirs = _split(train), _split(val)
    title = name or Path(ours.images).parent.name
    listed = read_classes(classes) if classes else ()
    kinds = [_kind(split) for split in (ours, theirs)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f'--train-data are {kinds[0]}, --val-data {kinds[1]}: both must '
            'be of one kind.'
        )
    readers = dict(folders=folders.read, masks=masks.read)
    if kinds[0] not in readers:
        raise UserError(f'{kinds[0]}: not built yet')
    return readers[kinds[0]](ours, theirs, listed, title)


def _kind(split: OwnSplit) -> Kind:
    """What the labels are.

    Raises:
        UserError: A path is not there.
    """
    for path in filter(None, (split.images, split.labels, split.names)):
        if not os.path.exists(path):
            raise UserError(f'{path} is not there.')
    if not os.path.isdir(split.images):
        raise UserError(
            f'{split.images} is not a folder: name the folder of the images.'
        )
    if not split.labels:
        return 'folders'
    if os.path.isfile(split.labels):
        return 'coco'
    for _, files in visible_files(split.labels):
        if any(file.name.lower().endswith('.xml') for file in files):
            return 'voc'
    return 'masks'


def _split(words: Sequence[str]) -> OwnSplit:
    paths = [os.path.abspath(word) if word else '' for word in words]
    return OwnSplit(**dict(zip(('images', 'labels', 'names'), paths)))
