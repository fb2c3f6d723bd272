"""Own data as a user names them: paths, and what kind they are."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import IMAGE_ENDINGS, visible_files
from ssl_bench.tasks.own import coco, folders, masks, voc
from ssl_bench.tasks.own.classes import read_classes
from ssl_bench.tasks.own.data import Kind, OwnData, OwnSplit

EXPECTED = (
    "expected COCO's JSON file, a folder of VOC's XML files, or a folder of "
    'masks (PNG)'
)
# labels of other forms, by the ending of their files
OTHERS = {
    '.json': "LabelMe's, or of another program, with a file for each image",
    '.txt': "YOLO's",
    '.csv': 'a table',
}
READERS = dict(
    coco=coco.read, folders=folders.read, masks=masks.read, voc=voc.read
)


def read_own_data(
    train: Sequence[str],
    val: Sequence[str],
    classes: str | None = None,
    name: str | None = None,
) -> OwnData:
    """Find out what kind the data are, and which classes they have.

    Args:
        train (Sequence[str]): A folder of class folders; or a folder of
            images and, behind it, COCO's annotation file, a folder of VOC's
            XML files, or a folder of masks; and a list of names, if not all
            images are taken.
        val (Sequence[str]): The same, to test on.
        classes (str, optional): File with one class in a line, in the order
            of the labels. Masks need it; of others it fixes the order.
        name (str, optional): Of the data; that of the folder above the
            training images if left out.

    Raises:
        UserError: In one line what is wrong: paths, labels without images,
            classes that differ, one class only, training images that are the
            test images.
    """
    ours, theirs = _split(train, 'train'), _split(val, 'val')
    kinds = [_kind(split) for split in (ours, theirs)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f'--train-data are {kinds[0]}, --val-data {kinds[1]}: both must '
            'be of one kind.'
        )
    title = _title(name, ours)
    listed = read_classes(classes) if classes else ()
    return READERS[kinds[0]](ours, theirs, listed, title)


def _title(name: str | None, train: OwnSplit) -> str:
    """The name of the data, which is a part of ids and of folders.

    Raises:
        UserError: A given one has other characters.
    """
    if name is None:
        found = re.sub(r'[^\w.-]+', '-', Path(train.images).parent.name)
        return found.strip('-.') or 'own'
    if not re.fullmatch(r'\w[\w.-]*', name):
        raise UserError(
            f'--data-name {name!r}: take letters, digits, `_`, `-` and `.`.'
        )
    return name


def _kind(split: OwnSplit) -> Kind:
    """What the labels are.

    Raises:
        UserError: A path is not there, or is not what is expected.
    """
    for path in filter(None, (split.images, split.labels, split.names)):
        if not os.path.exists(path):
            raise UserError(f'{path} is not there.')
    if not os.path.isdir(split.images):
        raise UserError(
            f'{split.images} is not a folder: name the folder of the images.'
        )
    if split.names and not os.path.isfile(split.names):
        raise UserError(
            f'{split.names} is not a file: the third path is a list of names.'
        )
    if not split.labels:
        return 'folders'
    if os.path.isfile(split.labels):
        _require_images(split.images)
        if split.labels.lower().endswith('.json'):
            return 'coco'
        raise UserError(f'{split.labels}: {EXPECTED}.')
    kind = _kind_of_folder(split.labels)
    if kind != 'folders':
        _require_images(split.images)
    return kind


def _kind_of_folder(labels: str) -> Kind:
    """What is in a folder of labels.

    Raises:
        UserError: Nothing that is read.
    """
    endings = _endings(labels)
    if '.xml' in endings:
        return 'voc'
    if '.png' in endings:
        return 'masks'
    if not endings:
        raise UserError(f'{labels} has no files in it; {EXPECTED}.')
    most = max(endings, key=lambda ending: endings[ending])
    what = OTHERS.get(most, f'files that end in {most or "nothing"}')
    raise UserError(
        f'{labels} has {endings[most]} {most} files ({what}); {EXPECTED}. '
        'Convert them.'
    )


def _require_images(folder: str) -> None:
    """Refuse a folder without any image.

    Raises:
        UserError: There is none in it, and none below it.
    """
    for _, files in visible_files(folder):
        if any(file.name.lower().endswith(IMAGE_ENDINGS) for file in files):
            return
    raise UserError(
        f'{folder} has no images in it ({", ".join(IMAGE_ENDINGS)}).'
    )


def _endings(folder: str) -> Counter[str]:
    """How often each ending occurs below a folder, in small letters."""
    return Counter(
        os.path.splitext(file.name)[1].lower()
        for _, files in visible_files(folder)
        for file in files
    )


def _split(words: Sequence[str], option: str) -> OwnSplit:
    """The paths of one option, absolute.

    Raises:
        UserError: There are more than three.
    """
    if len(words) > 3:
        raise UserError(
            f'--{option}-data has {len(words)} paths: it takes images, '
            'labels, and a list of names.'
        )
    paths = [os.path.abspath(word) if word else '' for word in words]
    return OwnSplit(**dict(zip(('images', 'labels', 'names'), paths)))
