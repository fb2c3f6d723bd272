"""Which images a pretraining cannot use, before it runs."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from ssl_bench.data.storage import ImageList, Storage, open_storage
from ssl_bench.errors import UserError
from ssl_bench.pixels import require_readable

T = TypeVar('T')
CHUNK = 64  # images that a process gets at once


class Checked(NamedTuple):
    """What is known of one file: a digest of its bytes, and its fault."""

    digest: bytes
    fault: str | None


@dataclass
class ImageReport:
    """What is in a folder or file; all paths are relative to it.

    Attributes:
        images (list[str]): Files that a pretraining reads.
        others (list[str]): Files of endings that are not read.
        hidden (list[str]): Hidden files and folders, those of systems, and
            links that lead nowhere or back.
        broken (dict[str, str]): Images that cannot be read, and why.
        copies (dict[str, str]): Images with the content of an earlier one,
            and that one.
    """

    images: Sequence[str]
    others: list[str]
    hidden: list[str]
    broken: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)


def check_images(
    folder: str | Path,
    jobs: int | None = None,
    show: Callable[[int, int], None] | None = None,
) -> ImageReport:
    """Read every image as a pretraining would.

    Args:
        folder (str | Path): As ``train_dataloader.dataset.data_root``: a
            folder, or files that hold images.
        jobs (int, optional): Processes; one for each core when None.
        show (Callable, optional): Called with images done, and all.

    Raises:
        UserError: It is missing, or cannot be listed.
    """
    storage = open_storage(str(folder))
    listed = storage.list()
    names = listed.images.names
    report = ImageReport(names, listed.others, listed.hidden)
    first: dict[bytes, int] = {}
    results = each_image(storage, listed.images, check_image, jobs)
    for index, (path, found) in enumerate(zip(names, results)):
        if found.fault is not None:
            report.broken[path] = found.fault
        elif (same := first.setdefault(found.digest, index)) != index:
            report.copies[path] = names[same]
        if show:
            show(index + 1, len(names))
    return report


def each_image(
    storage: Storage,
    images: ImageList,
    look: Callable[[Storage, ImageList, int], T],
    jobs: int | None = None,
) -> Iterator[T]:
    """What a look at each image gives, in their order.

    Args:
        storage (Storage): Where they are.
        images (ImageList): Of this storage.
        look (Callable): Gets both and the number of an image.
        jobs (int, optional): Processes; one for each core when None.

    Raises:
        UserError: A process was killed.
    """
    jobs = jobs or cores()
    numbers = range(len(images))
    if jobs == 1 or len(images) <= CHUNK:
        yield from (look(storage, images, i) for i in numbers)
        return
    with ProcessPoolExecutor(
        jobs, initializer=_take, initargs=(look, storage, images)
    ) as pool:
        try:
            yield from pool.map(_look_at, numbers, chunksize=CHUNK)
        except BrokenProcessPool as error:
            raise UserError(
                f'a process that reads images of {storage.root} was killed, '
                'perhaps for its memory. Use fewer processes: --jobs 1.'
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


_taken: list = []  # of a process of the pool


def _take(*shared: object) -> None:
    """Keep what all images of a process have in common."""
    _taken[:] = shared


def _look_at(index: int) -> T:
    """Of one image, in a process of the pool."""
    look, storage, images = _taken
    return look(storage, images, index)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_image(storage: Storage, images: ImageList, index: int) -> Checked:
    """Read one image."""
    digest = b''
    try:
        content = content_of(storage, images, index)
        digest = digest_of(content)
        require_readable(content)
    except OSError as error:
        return Checked(digest, error.strerror or str(error))
    return Checked(digest, None)


def content_of(storage: Storage, images: ImageList, index: int) -> bytes:
    """The bytes of an image's file.

    Raises:
        OSError: They cannot be read.
    """
    content = storage.source(images, index)
    if isinstance(content, str):
        return Path(content).read_bytes()
    return content


def digest_of(content: bytes) -> bytes:
    """16 bytes that tell contents from each other."""
    return hashlib.sha256(content).digest()[:16]
