"""What a data set was, in 64 digits, and whether it is the protocol's."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.files import sha256, visible_files
from ssl_bench.tasks.datasets import Dataset


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
    return [
        f'{os.path.relpath(size.place, root)} has {size.got} {size.what}, '
        f"the protocol's {size.want}"
        for layout, _ in dataset.parts(root)
        if layout.sized
        for size in layout.sizes()
        if size.differs
    ]


def _listing(folder: Path) -> list[tuple[str, int]]:
    """Sorted (relative path, bytes) of every file below a folder."""
    return sorted(
        [
            (prefix + entry.name, entry.stat().st_size)
            for prefix, files in visible_files(folder)
            for entry in files
        ]
    )
