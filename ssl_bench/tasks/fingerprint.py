"""What a data set was, in 64 digits, and whether it is the protocol's."""

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.files import sha256, visible_files
from ssl_bench.tasks.datasets import MINI_MANIFEST, MINI_ROOT, Dataset
from ssl_bench.tasks.pretraining_sets import custom


@cache
def fingerprint(dataset: Dataset, root: str) -> str:
    """SHA-256 over lists and annotations, and names and sizes of the rest.

    A file among the data set's paths counts with its content, a folder with
    the relative names and sizes of all files below it that are not hidden:
    reading every image of ImageNet for each run would take too long. It is
    computed once per process.

    Args:
        dataset (Dataset): Row of the table.
        root (str): Data root.
    """
    digest = hashlib.sha256()
    for path in dataset.paths:
        digest.update(f'{path}\n'.encode())
        _add(digest, Path(root) / path)
    return digest.hexdigest()


def listing_sha256(path: Path) -> str:
    """As `fingerprint`, of one file or folder that no data set names.

    Raises:
        UserError: It is not there.
    """
    if not path.exists():
        raise UserError(f'the config reads {path}, which is not there.')
    digest = hashlib.sha256()
    _add(digest, path)
    return digest.hexdigest()


def _add(digest: Any, path: Path) -> None:
    """A file with its content, a folder with its names and sizes."""
    if path.is_file():
        digest.update(sha256(path).encode())
        return
    for name, size in _listing(path):
        digest.update(f'{name} {size}\n'.encode())


@cache
def other_data(dataset: Dataset, root: str) -> list[str]:
    """How the data below ``root`` differ from those of the protocol.

    Args:
        dataset (Dataset): Row of the table, whose layouts know the size of
            the published set.
        root (str): Data root.

    Returns:
        list[str]: One text for each number that differs.
    """
    found = [
        f'{os.path.relpath(size.place, root)} has {size.got} {size.what}, '
        f"the protocol's {size.want}"
        for layout, _ in dataset.parts(root)
        if layout.sized
        for size in layout.sizes()
        if size.differs
    ]
    found += [
        f'{os.path.relpath(layout.place, root)} has other classes than the '
        f"protocol's, first {other[0]}"
        for layout, _ in dataset.parts(root)
        for other in [layout.other_classes()]
        if other
    ]
    if dataset.root == MINI_ROOT and not (Path(root) / MINI_MANIFEST).exists():
        found.append(f'{root} was not written by `ssl-bench data mini`')
    return found


def data_name(
    dataset: Dataset, root: str, elsewhere: Sequence[Path], images: int
) -> str:
    """What a record calls its data: their title if they are the protocol's.

    Args:
        dataset (Dataset): Of the task.
        root (str): Data root.
        elsewhere (Sequence[Path]): What is read although it is not of the
            data set.
        images (int): That were read.
    """
    if elsewhere:
        return custom(', '.join(map(str, elsewhere)), images)
    if other_data(dataset, root):
        return custom(root, images)
    return dataset.title


def read_print(dataset: Dataset, root: str, elsewhere: Sequence[Path]) -> str:
    """`fingerprint` of all that is read.

    Args:
        As `data_name`.

    Raises:
        UserError: A path is not there.
    """
    own = fingerprint(dataset, root)
    if not elsewhere:
        return own
    parts = [own, *(f'{path} {listing_sha256(path)}' for path in elsewhere)]
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()


def _listing(folder: Path) -> list[tuple[str, int]]:
    """Sorted (relative path, bytes) of every file below a folder."""
    return sorted(
        [
            (prefix + entry.name, entry.stat().st_size)
            for prefix, files in visible_files(folder)
            for entry in files
        ]
    )
