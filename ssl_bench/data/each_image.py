"""Look at every image of a storage, in several processes."""

import hashlib
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from ssl_bench.data.storage import ImageList, Storage
from ssl_bench.errors import UserError

T = TypeVar('T')
CHUNK = 64  # images that a process gets at once


def each_image(
    storage: Storage,
    images: ImageList,
    look: Callable[[Storage, ImageList, int], T],
    jobs: int | None = None,
    numbers: Sequence[int] | None = None,
) -> Generator[T, None, None]:
    """What a look at each image gives, in the order of the numbers.

    Args:
        storage (Storage): Where they are.
        images (ImageList): Of this storage.
        look (Callable): Gets both and the number of an image; a function of
            a module, so that other processes find it.
        jobs (int, optional): Processes; one for each core when None.
        numbers (Sequence[int], optional): Of the images; all when None.

    Raises:
        UserError: A process was killed.
    """
    jobs = jobs or cores()
    numbers = range(len(images)) if numbers is None else numbers
    if jobs == 1 or len(numbers) <= CHUNK:
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


def _look_at(index: int) -> Any:
    """At one image, in a process of the pool."""
    look, storage, images = _taken
    return look(storage, images, index)


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
