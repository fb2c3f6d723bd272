"""Which images a pretraining cannot use, before it runs."""

import random
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ssl_bench.data.each_image import content_of, digest_of, each_image
from ssl_bench.data.storage import (
    ImageList,
    Listed,
    Storage,
    no_images,
    open_storage,
)
from ssl_bench.errors import UserError, printable
from ssl_bench.files import count_endings
from ssl_bench.pixels import require_readable

CHUNK = 64  # images that a process gets at once
# what a run looks at before it starts: images, and seconds
MOST, SECONDS = 2000, 60.0

Size = tuple[int, int]


class Checked(NamedTuple):
    """What is known of one file: a digest of its bytes, and its fault."""

    digest: bytes
    fault: str | None
    size: Size = (0, 0)


@dataclass
class ImageReport:
    """What is in a folder or file; all paths are relative to it.

    Attributes:
        folder (str): It.
        images (Sequence[str]): Files that a pretraining reads.
        others (list[str]): Files of endings that are not read.
        hidden (list[str]): Hidden files and folders, those of systems, and
            links that lead nowhere or back.
        left_out (str): How many others there are of each ending.
        looked (int): How many of the images were read.
        broken (dict[str, str]): Images that cannot be read, and why.
        copies (dict[str, str]): Images with the content of an earlier one,
            and that one.
        sizes (list[tuple[int, int]]): Width and height of the readable ones.
    """

    folder: str
    images: Sequence[str]
    others: list[str]
    hidden: list[str]
    left_out: str = ''
    looked: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    sizes: list[Size] = field(default_factory=list)


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
        UserError: It is missing, cannot be listed or has no image.
    """
    storage = open_storage(str(folder))
    listed = storage.list()
    every = range(len(listed.images))
    return _report(folder, storage, listed, every, jobs, show)


def look_at_images(
    folder: str | Path,
    most: int = MOST,
    seconds: float = SECONDS,
    show: Callable[[int, int], None] | None = None,
) -> ImageReport:
    """Read some images as a pretraining would, before it starts.

    Args:
        folder (str | Path): As `check_images`.
        most (int): How many; of more, so many are drawn, the same each time.
        seconds (float): Stop after this time.
        show (Callable, optional): As `check_images`.

    Raises:
        UserError: It is missing, cannot be listed, has fewer than two images
            or none that can be read.
    """
    from ssl_bench.data.storage.kept_lists import find_images

    storage = open_storage(str(folder))
    listed = find_images(storage)
    count = len(listed.images)
    if count == 1:
        raise UserError(
            f'{folder} has one image alone, {listed.images.names[0]}. A '
            'pretraining learns from many: name a folder that has them.'
        )
    numbers: Sequence[int] = range(count)
    if count > most:
        numbers = sorted(random.Random(0).sample(numbers, most))
        random.Random(0).shuffle(numbers)  # the time can end before all
    report = _report(folder, storage, listed, numbers, None, show, seconds)
    if report.looked == len(report.broken):
        path, fault = next(iter(report.broken.items()))
        raise UserError(
            f'{folder}: none of {report.looked} files that are named as '
            f'images can be read, the first {path}: {fault}. Name a folder '
            'that has images.'
        )
    return report


def _report(
    folder: str | Path,
    storage: Storage,
    listed: Listed,
    numbers: Sequence[int],
    jobs: int | None,
    show: Callable[[int, int], None] | None,
    seconds: float = float('inf'),
) -> ImageReport:
    """Read the images of these numbers, until the time is over."""
    images = listed.images
    names = images.names
    if not len(images):
        raise no_images(storage, listed)
    report = ImageReport(
        str(folder), names, listed.others, listed.hidden, images.others
    )
    first: dict[bytes, int] = {}
    end = time.monotonic() + seconds
    looks = each_image(storage, images, check_image, jobs, numbers)
    with closing(looks) as results:
        for index, found in zip(numbers, results):
            path = names[index]
            report.looked += 1
            if found.fault is not None:
                report.broken[path] = found.fault
            else:
                report.sizes.append(found.size)
                if (same := first.setdefault(found.digest, index)) != index:
                    report.copies[path] = names[same]
            if show:
                show(report.looked, len(numbers))
            if time.monotonic() > end:
                break
    return report


def faults(report: ImageReport, most: int | None = None) -> Iterator[str]:
    """A line for each copy and each broken image; of either, the first."""
    for paths, line in (
        (report.copies, 'copy: {} has the content of {}'),
        (report.broken, 'broken: {}: {}'),
    ):
        for path, other in [*paths.items()][:most]:
            yield printable(line.format(path, other))
        if most is not None and len(paths) > most:
            yield f'... and {len(paths) - most} more'


def summary(report: ImageReport) -> str:
    """What there is, what was looked at, and what was found, in a line."""
    whole = len(report.images)
    text = (
        f'{report.folder}: {whole} images ({count_endings(report.images)}), '
        f'{len(report.broken)} broken, {len(report.copies)} copies'
    )
    if report.looked < whole:
        text += f' among the {report.looked} that were looked at'
    text += f'; left out: {report.left_out or "no other ending"}'
    if report.hidden:
        text += f', {len(report.hidden)} hidden'
    if report.sizes:
        sizes = sorted(report.sizes, key=lambda size: size[0] * size[1])
        small, middle, large = (
            '{} x {}'.format(*sizes[place])
            for place in (0, len(sizes) // 2, -1)
        )
        text += f'; pixels: {small} the smallest, {middle} the median, '
        text += f'{large} the largest'
    if report.looked < whole:
        folder = shlex.quote(report.folder)
        text += f'; `ssl-bench data check-images {folder}` reads all'
    return printable(text)


def check_image(storage: Storage, images: ImageList, index: int) -> Checked:
    """Read one image."""
    digest = b''
    try:
        content = content_of(storage, images, index)
        digest = digest_of(content)
        size = require_readable(content)
    except OSError as error:
        return Checked(digest, error.strerror or str(error))
    return Checked(digest, None, size)
