"""Own data as a user names them: paths, and what kind they are."""

import os
from collections.abc import Sequence
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.tasks.own import folders
from ssl_bench.tasks.own.data import OwnData, OwnSplit


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
    if not ours.labels and not theirs.labels:
        return folders.read(ours, theirs, (), title)
    raise UserError('only class folders are read yet')


def _split(words: Sequence[str]) -> OwnSplit:
    paths = [os.path.abspath(word) for word in words]
    return OwnSplit(**dict(zip(('images', 'labels', 'names'), paths)))
