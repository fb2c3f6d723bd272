"""Open images: do they decode, and are they as large as annotated."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from ssl_bench.errors import one_line
from ssl_bench.tasks.layouts.lines import Line, Note, each, some

OPENED = 8  # images of a list that are opened, unless all are asked for


def spread(items: Sequence[Any]) -> list[Any]:
    """At most `OPENED` of them, evenly."""
    step = max(1, len(items) // OPENED)
    return list(items[::step][:OPENED])


def image_size(path: str) -> tuple[int, int]:
    """Width and height of an image, turned as its EXIF data say.

    Only the header is read.

    Raises:
        OSError: The file is not an image.
    """
    from ssl_bench.pixels import image_size

    return image_size(path)


def size_fault(
    size: tuple[int, int], said: Sequence[float] | None
) -> str | None:
    """What to say of an image that is not as large as its annotation says.

    Args:
        size (tuple[int, int]): Width and height of its pixels, turned as its
            EXIF data say.
        said (Sequence, optional): Width and height in its annotation; None,
            or 0, where it says nothing.

    Returns:
        str, optional: None when they agree.
    """
    if not said or not all(said) or tuple(said) == tuple(size):
        return None
    text = (
        f'has {size[0]} x {size[1]} pixels, its annotation says '
        f'{said[0]:g} x {said[1]:g}'
    )
    if tuple(said)[::-1] == tuple(size):
        text += (
            '; images are turned as their EXIF orientation says, so boxes and '
            'masks must be those of the turned image'
        )
    return text


def broken_images(paths: Iterable[str], where: str) -> list[Line]:
    """Decode each image and name those that cannot be."""
    from ssl_bench.pixels import require_readable

    faults, opened = {}, set(paths)
    for path in sorted(opened):
        try:
            require_readable(path)
        except OSError as error:
            faults[path] = one_line(error)
    return each(
        'images cannot be decoded', faults, where, len(faults) == len(opened)
    )


def other_sizes(
    images: Iterable[tuple[str, Sequence[float] | None]], where: str
) -> list[Line]:
    """Name the images that are not as large as their annotation says.

    A note names those that are turned, where the size cannot tell whether
    the annotations are of the turned image.

    Args:
        images (Iterable): Paths, and what `size_fault` takes. Only headers
            are read; what is not an image is not named here.
        where (str): List, annotation file or folder.
    """
    from ssl_bench.pixels import read_header

    faults, alike, opened = {}, [], 0
    for path, said in images:
        opened += 1
        if not said:
            continue
        try:
            header = read_header(path)
        except OSError:
            continue
        fault = size_fault(header.size, said)
        if fault:
            faults[path] = fault
        elif header.alike:
            alike.append(path)
    return each(
        'images are not as large as their annotation says',
        faults,
        where,
        len(faults) == opened,
    ) + _turned(alike, where)


def turned_images(paths: Iterable[str], where: str) -> list[Line]:
    """Note the images that are turned, where their size does not tell."""
    from ssl_bench.pixels import read_header

    alike = []
    for path in paths:
        with suppress(OSError):
            if read_header(path).alike:
                alike.append(path)
    return _turned(alike, where)


def _turned(paths: Sequence[str], where: str) -> list[Line]:
    return some(
        'images are turned as their EXIF orientation says',
        paths,
        where,
        Note,
        'Their size does not tell, but boxes and masks must be those of the '
        'turned images.',
    )
