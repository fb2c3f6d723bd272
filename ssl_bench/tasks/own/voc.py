"""Own images with boxes of objects in VOC's XML files."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.files import write_text
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import VocBoxLayout
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.voc import VocImage
from ssl_bench.tasks.own.data import OwnData, OwnSplit, builds
from ssl_bench.tasks.own.same import require_apart
from ssl_bench.tasks.own.same_classes import same_classes

DIGITS = 16  # of a digest, in the name of a file


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Read every XML file, and find the classes.

    Args:
        train, val (OwnSplit): As given.
        classes (Sequence[str]): Those of a list of classes, if there is one;
            the sorted names of all objects of the training images if not.
        name (str): Of the data.

    Raises:
        UserError: A file cannot be read, images are not there, no image has
            an object, the classes differ, or test images are trained on.
    """
    entries = []
    for split in (train, val):
        reading = _layout(split, tuple(classes)).read(scored=split is val)
        refuse(reading.lines, hint='')
        entries.append(reading.entries)
    if not classes:
        found = [
            sorted({box.name for entry in part for box in entry.objects})
            for part in entries
        ]
        same_classes(
            (train.labels, found[0]),
            (val.labels, found[1]),
            'A test without objects of a class cannot score it: add some, '
            'or name all classes with --classes.',
        )
        classes = found[0]
    ours, theirs = ([entry.image for entry in part] for part in entries)
    for note in require_apart(ours, theirs, (train.images, val.images)):
        logging.getLogger(__name__).warning(note)
    return OwnData(
        name=name, kind='voc', train=train, val=val, classes=tuple(classes)
    )


@builds('voc')
def dataset(own: OwnData) -> Dataset:
    """Its row of the table."""
    train, val = (
        _layout(split, own.classes, own.apart)
        for split in (own.train, own.val)
    )
    return Dataset(title=own.title, train=(train,), test=(val,))


def _layout(
    split: OwnSplit, classes: tuple[str, ...], whole: bool = False
) -> VocBoxLayout:
    return VocBoxLayout(
        list_file=split.names,
        images=split.images,
        annotations=split.labels,
        names=classes,
        whole=whole and not split.names,
    )


def as_coco(own: OwnData, folder: str | Path) -> OwnData:
    """The same data with annotation files in COCO's form, boxes alone.

    The files are named by their content, so that one that is there is the
    right one, and changed XML files give other ones.

    Args:
        own (OwnData): With XML files.
        folder (str | Path): Where the files are written, below
            ``own_data/NAME``.

    Raises:
        UserError: The XML files cannot be read, or no file be written.
    """
    home = Path(folder) / 'own_data' / own.name
    splits = {}
    for word in ('train', 'val'):
        split: OwnSplit = getattr(own, word)
        reading = _layout(split, own.classes).read(scored=word == 'val')
        refuse(reading.lines, hint='')
        content = coco_content(
            reading.entries, split.images, own.classes, word == 'val'
        )
        text = json.dumps(content, ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
        path = os.path.abspath(home / f'{word}-{digest}.json')
        if not os.path.exists(path):
            write_text(path, text)
        splits[word] = OwnSplit(images=split.images, labels=path)
    return own.model_copy(update=dict(splits, kind='coco'))


def coco_content(
    entries: Sequence[VocImage],
    images: str,
    classes: Sequence[str],
    scored: bool,
) -> dict[str, Any]:
    """XML files as one file in COCO's form.

    VOC counts pixels from 1 and includes the last one; COCO has edges that
    count from 0. Difficult objects are trained on, and are not scored: as
    regions of many objects, ``iscrowd``.

    Args:
        entries (Sequence[VocImage]): Of the XML files.
        images (str): Folder that file names are relative to.
        classes (Sequence[str]): In the order of the labels.
        scored (bool): Of a test set.
    """
    number = {name: index for index, name in enumerate(classes, 1)}
    rows: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for image_id, entry in enumerate(entries, 1):
        file_name = Path(os.path.relpath(entry.image, images)).as_posix()
        width, height = entry.size
        rows.append(
            dict(id=image_id, file_name=file_name, width=width, height=height)
        )
        for box in entry.boxes:
            left, top = max(box.x1 - 1, 0), max(box.y1 - 1, 0)
            across = min(box.x2, width) - left
            down = min(box.y2, height) - top
            objects.append(
                dict(
                    id=len(objects) + 1,
                    image_id=image_id,
                    category_id=number[box.name],
                    bbox=[left, top, across, down],
                    area=across * down,
                    iscrowd=int(box.difficult and scored),
                )
            )
    return dict(
        images=rows,
        annotations=objects,
        categories=[
            dict(id=index, name=name) for name, index in number.items()
        ],
    )
