"""The name of the images of a pretraining, by what they are."""

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ssl_bench.files import sha256, visible_files
from ssl_bench.tasks.datasets import MINI_MANIFEST, MINI_PARTS, wordnet_ids

IN1K_IMAGES = 1281167  # ILSVRC2012, training images
COCO_IMAGES = 118287  # train2017
COCO_NAME = re.compile(r'\d{12}\.jpg')


class ReadImages(NamedTuple):
    """What a pretraining read.

    Attributes:
        data (str): ``IN1K``, ``COCO``, ``mini``, or ``custom: FOLDER (N
            images)`` for images that are none of these.
        folder (str): Where they are.
        images (int): How many.
        fingerprint (str): SHA-256 over their relative names.
    """

    data: str
    folder: str
    images: int
    fingerprint: str


def describe_images(
    folder: str | Path, names: Sequence[str], fingerprint: str
) -> ReadImages:
    """Name a set of images by comparing it with the known sets.

    Args:
        folder (str | Path): Above the images, or the file that has them.
        names (Sequence[str]): Of every image that is read, below the folder
            and sorted.
        fingerprint (str): SHA-256 over the names, a line each.
    """
    place = str(folder).rstrip('/')
    known = _known(Path(place), names)
    return ReadImages(
        known or custom(place, len(names)), place, len(names), fingerprint
    )


def custom(folder: str, images: int) -> str:
    """The name of images that are of no known set."""
    return f'custom: {folder} ({images} images)'


def _known(folder: Path, names: Sequence[str]) -> str:
    """The known set with these names, or ''."""
    if len(names) == IN1K_IMAGES and _is_in1k(names):
        return 'IN1K'
    if len(names) == COCO_IMAGES and all(map(COCO_NAME.fullmatch, names)):
        return 'COCO'
    return 'mini' if _is_mini(folder, len(names)) else ''


def _is_in1k(names: Sequence[str]) -> bool:
    """``CLASS/CLASS_NUMBER.JPEG``, of every class of ImageNet-1K.

    Or without the folders, which Hugging Face's tables leave out. The names
    of a class are next to each other, so few are looked at.
    """
    first, nested = 0, '/' in names[0]
    for home in wordnet_ids():
        start = f'{home}/{home}' if nested else home
        after = chr(ord('_') + 1)
        end = bisect_left(names, f'{start}{after}', first)
        if end == first or not names[first].startswith(f'{start}_'):
            return False
        first = end
    slashes = sum(name.count('/') for name in names)
    return first == len(names) and slashes == nested * len(names)


def _is_mini(folder: Path, images: int) -> bool:
    """The embedded images, all that were written there."""
    if folder.parts[-2:] != ('imagenet', 'train'):
        return False
    root = folder.parents[1]
    sizes = mini_sizes(root)
    if sizes is None or sizes.get('imagenet_train') != images:
        return False
    return is_as_written(root)


def mini_sizes(root: str | Path) -> dict[str, int] | None:
    """How many images `ssl-bench data mini` wrote, by its names.

    Returns:
        dict | None: None without a whole manifest.
    """
    sizes = _manifest(root).get('sizes')
    return sizes if isinstance(sizes, dict) else None


def is_as_written(root: str | Path) -> bool:
    """Whether the embedded data are those that were written, byte for byte.

    Files that `ssl-bench data variants` and `data subset` add do not count.
    The default size takes a quarter of a second.
    """
    digest, root = hashlib.sha256(), Path(root)
    try:
        names = sorted(
            f'{part}/{prefix}{entry.name}'
            for part in MINI_PARTS
            for prefix, files in visible_files(root / part)
            for entry in files
        )
        for name in names:
            digest.update(f'{name}\0{sha256(root / name)}\n'.encode())
    except OSError:
        return False
    return _manifest(root).get('fingerprint') == digest.hexdigest()


def _manifest(root: str | Path) -> dict[str, Any]:
    try:
        text = (Path(root) / MINI_MANIFEST).read_text(encoding='utf-8')
        found = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
