"""Are the images of a test those of the training?"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts.lines import Line, Note

TESTED = 500  # test images whose content is compared
COMPARED = 20_000  # training images that they are compared with
PART = 1 << 16  # bytes from each end of a file that are compared


def require_apart(
    train: Sequence[str], val: Sequence[str], places: tuple[str, str]
) -> list[Line]:
    """Refuse test images that are trained on.

    Args:
        train, val (Sequence[str]): Paths of the images.
        places (tuple[str, str]): What messages call the two sets.

    Returns:
        list[Line]: A note when some test images, but not all, have the
        content of a training image.

    Raises:
        UserError: A file is in both, by its own path or through a link; or
            every test image that was compared has the content of a training
            image.
    """
    ours, theirs = places
    trained = set(_real(train))
    shared = [path for path, real in zip(val, _real(val)) if real in trained]
    if shared:
        raise UserError(
            f'{len(shared)} of {len(val)} test images of {theirs} are '
            f'training images of {ours}, too, first {shared[0]}: a score on '
            'them says nothing. Name other images with --val-data.'
        )
    chosen = _spread(val, TESTED)
    twins = _same_content(train, chosen)
    if not twins:
        return []
    if len(twins) == len(chosen):
        raise UserError(
            f'the test images of {theirs} are copies of training images of '
            f'{ours} ({len(twins)} of {len(chosen)} that were compared), '
            f'first {twins[0][0]} of {twins[0][1]}: a score on them says '
            'nothing. Name other images with --val-data.'
        )
    return [
        Note(
            f'{theirs}: {len(twins)} of {len(chosen)} test images that were '
            f'compared are copies of training images, first {twins[0][0]} of '
            f'{twins[0][1]}'
        )
    ]


def _real(paths: Iterable[str]) -> Iterator[str]:
    """Paths without links; each folder is looked at once."""
    folders: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        real = os.path.join(folders[folder], name)
        yield os.path.realpath(real) if os.path.islink(real) else real


def _same_content(
    train: Sequence[str], val: Sequence[str]
) -> list[tuple[str, str]]:
    """Test images and the training image that each is a copy of.

    Two files are copies when their sizes and their first and last bytes are
    the same.
    """
    by_size = defaultdict(list)
    for path in val:
        by_size[_size(path)].append(path)
    alike = [path for path in train if _size(path) in by_size]
    found: dict[str, str] = {}
    ends: dict[bytes, str] = {}
    for path in _spread(alike, COMPARED):
        ends.setdefault(_ends(path), path)
    sizes = {_size(path) for path in alike} - {-1}
    for size in sizes:
        for path in by_size[size]:
            twin = ends.get(_ends(path))
            if twin is not None:
                found[path] = twin
    return [(path, found[path]) for path in val if path in found]


def _size(path: str) -> int:
    """Bytes of a file; -1 when it is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1


def _ends(path: str) -> bytes:
    """A digest of the size and of both ends of a file."""
    try:
        with open(path, 'rb') as file:
            start = file.read(PART)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(PART, size - PART))
            rest = file.read()
    except OSError:
        return path.encode()  # is like no other
    return hashlib.sha256(b'%d ' % size + start + rest).digest()


def _spread(items: Sequence[str], most: int) -> Sequence[str]:
    """At most so many of them, evenly."""
    step = -(-len(items) // most) or 1
    return items[::step]
