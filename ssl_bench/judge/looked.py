"""Images after each was looked at once: what tells them from each other."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ssl_bench.data.each_image import content_of, digest_of, each_image
from ssl_bench.data.storage import (
    ImageList,
    Names,
    Storage,
    no_images,
    open_storage,
)
from ssl_bench.data.storage.folder import Folder
from ssl_bench.files import IMAGE_ENDINGS
from ssl_bench.judge.alike import hash_of
from ssl_bench.pixels import Source, read_thumbnail

SIDE = 16  # of a thumbnail, pixels
LEAST_CONTRAST = 3.0  # deviation of a thumbnail's grey, of 255
GREY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

Show = Callable[[int, int], None]


class Print(NamedTuple):
    """What is kept of an image.

    Attributes:
        digest (bytes): Of the bytes of the file; empty if it cannot be read.
        hash (int): Of what it shows.
        clear (bool): It shows something: it is read, and has contrast.
    """

    digest: bytes
    hash: int
    clear: bool


@dataclass(frozen=True)
class Looked:
    """Images of one place.

    Attributes:
        place (str): A folder or file, for people.
        storage (Storage): Where they are.
        images (ImageList): Of this storage.
        digests (tuple[bytes, ...]): Of each.
        hashes (np.ndarray): (N,) uint64.
        clear (np.ndarray): (N,) bool, as of `Print`.
        seconds (float): That the look took.
    """

    place: str
    storage: Storage
    images: ImageList
    digests: tuple[bytes, ...]
    hashes: np.ndarray
    clear: np.ndarray
    seconds: float

    @property
    def unread(self) -> int:
        """Images that cannot be read."""
        return self.digests.count(b'')

    def name(self, index: int) -> str:
        """Of an image, below the place if it is there."""
        path = self.images.names[index]
        if isinstance(self.storage, Folder) and self.storage.root == '/':
            return os.path.relpath(f'/{path}', self.place)
        return path

    def source(self, index: int) -> Source:
        """For the readers of `ssl_bench.pixels`."""
        return self.storage.source(self.images, index)

    def thumbnail(self, index: int) -> np.ndarray:
        """Grey pixels of a small version of the image, (SIDE, SIDE) uint8.

        Raises:
            OSError: It cannot be read any more.
        """
        return grey_thumbnail(self.source(index))


def look_at_storage(
    root: str, jobs: int | None = None, show: Show | None = None
) -> Looked:
    """Look at what a pretraining reads.

    Args:
        root (str): As `open_storage`.
        jobs (int, optional): Processes; one for each core when None.
        show (Callable, optional): Called with images done, and all.

    Raises:
        UserError: It is not there, cannot be listed, or has no images.
    """
    storage = open_storage(root)
    listed = storage.list()
    if not len(listed.images):
        raise no_images(storage, listed)
    return _look(storage.root, storage, listed.images, jobs, show)


def look_at_files(
    place: str,
    paths: Sequence[str],
    jobs: int | None = None,
    show: Show | None = None,
) -> Looked:
    """Look at image files.

    Args:
        place (str): The folder that names are shown relative to.
        paths (Sequence[str]): Each is looked at once.
        jobs, show: As of `look_at_storage`.
    """
    absolute = sorted({os.path.abspath(path) for path in paths})
    images = ImageList(Names.of(path.lstrip('/') for path in absolute))
    return _look(place, Folder('/', IMAGE_ENDINGS), images, jobs, show)


def _look(
    place: str,
    storage: Storage,
    images: ImageList,
    jobs: int | None,
    show: Show | None,
) -> Looked:
    start, total = time.monotonic(), len(images)
    digests = []
    hashes, clear = np.zeros(total, np.uint64), np.zeros(total, bool)
    results = each_image(storage, images, print_of, jobs)
    for index, found in enumerate(results):
        digests.append(found.digest)
        hashes[index], clear[index] = found.hash, found.clear
        if show:
            show(index + 1, total)
    return Looked(
        place,
        storage,
        images,
        tuple(digests),
        hashes,
        clear,
        time.monotonic() - start,
    )


def print_of(storage: Storage, images: ImageList, index: int) -> Print:
    """Look at one image."""
    try:
        content = content_of(storage, images, index)
        grey = grey_thumbnail(content)
    except OSError:
        return Print(b'', 0, False)
    clear = bool(grey.std() >= LEAST_CONTRAST)
    return Print(digest_of(content), hash_of(grey), clear)


def grey_thumbnail(source: Source) -> np.ndarray:
    """A small grey version of an image, (SIDE, SIDE) uint8.

    Raises:
        OSError: It cannot be read.
    """
    return (read_thumbnail(source, SIDE) @ GREY).round().astype(np.uint8)
