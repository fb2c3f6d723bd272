"""Which files of a folder a pretraining cannot use, before it runs."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ssl_bench.errors import UserError
from ssl_bench.files import list_images
from ssl_bench.pixels import require_readable

CHUNK = 64  # images that a process gets at once


class Checked(NamedTuple):
    """What is known of one file: a digest of its bytes, and its fault."""

    digest: bytes
    fault: str | None


@dataclass
class ImageReport:
    """What is in a folder; all paths are relative to it.

    Attributes:
        images (list[str]): Files that a pretraining reads.
        others (list[str]): Files of endings that are not read.
        hidden (list[str]): Hidden files and folders, those of systems, and
            links that lead nowhere or back.
        broken (dict[str, str]): Images that cannot be read, and why.
        copies (dict[str, str]): Images with the content of an earlier one,
            and that one.
    """

    images: list[str]
    others: list[str]
    hidden: list[str]
    broken: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)


def check_images(
    folder: str | Path,
    jobs: int | None = None,
    show: Callable[[int, int], None] | None = None,
) -> ImageReport:
    """Read every image of a folder as a pretraining would.

    Args:
        folder (str | Path): As ``train_dataloader.dataset.data_root``.
        jobs (int, optional): Processes; one for each core when None.
        show (Callable, optional): Called with images done, and all.

    Raises:
        UserError: The folder is missing, or cannot be listed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f'{folder} is not a folder.')
    try:
        report = ImageReport(*list_images(folder))
    except OSError as error:
        raise UserError(f'{folder} cannot be listed: {error}') from error
    first: dict[bytes, int] = {}
    for index, found in enumerate(_results(folder, report.images, jobs)):
        path = report.images[index]
        if found.fault is not None:
            report.broken[path] = found.fault
        elif (same := first.setdefault(found.digest, index)) != index:
            report.copies[path] = report.images[same]
        if show:
            show(index + 1, len(report.images))
    return report


def _results(
    folder: Path, images: Sequence[str], jobs: int | None
) -> Iterator[Checked]:
    """What is known of each image, in their order."""
    jobs = jobs or cores()
    paths = [os.path.join(folder, name) for name in images]
    if jobs == 1 or len(paths) <= CHUNK:
        yield from map(check_image, paths)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(check_image, paths, chunksize=CHUNK)
        except BrokenProcessPool as error:
            raise UserError(
                f'a process that reads images of {folder} was killed, perhaps '
                'for its memory. Use fewer processes: --jobs 1.'
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_image(path: str) -> Checked:
    """Read one image."""
    digest = b''
    try:
        content = Path(path).read_bytes()
        digest = hashlib.sha256(content).digest()[:16]
        require_readable(content)
    except OSError as error:
        return Checked(digest, error.strerror or str(error))
    return Checked(digest, None)
