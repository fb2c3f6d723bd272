"""What a data set was, in 64 digits, and whether it is the protocol's."""

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ssl_bench.files import sha256
from ssl_bench.tasks.check import count
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.subsets import SUFFIXES


class Survey(NamedTuple):
    """What one walk over a data set finds.

    Attributes:
        fingerprint (str): As `fingerprint`.
        images (dict[str, int]): Images below each of its folders.
    """

    fingerprint: str
    images: dict[str, int]


@cache
def survey(dataset: Dataset, root: str) -> Survey:
    """Walk over a data set, once.

    Args:
        dataset (Dataset): Row of the table.
        root (str): Data root.
    """
    digest, images = hashlib.sha256(), {}
    for path in dataset.paths:
        full = Path(root) / path
        digest.update(f'{path}\n'.encode())
        if full.is_file():
            digest.update(sha256(full).encode())
            continue
        listing = _listing(full)
        images[path] = sum(
            os.path.splitext(name)[1].lower() in SUFFIXES
            for name, _ in listing
        )
        for name, size in listing:
            digest.update(f'{name} {size}\n'.encode())
    return Survey(digest.hexdigest(), images)


def fingerprint(dataset: Dataset, root: str) -> str:
    """SHA-256 over lists and annotations, and names and sizes of the rest.

    A file among the data set's paths counts with its content, a folder with
    the relative names and sizes of all files below it: reading every image
    of ImageNet for each run would cost more than it tells.

    Args:
        dataset (Dataset): Row of the table.
        root (str): Data root.
    """
    return survey(dataset, root).fingerprint


@cache
def other_data(dataset: Dataset, root: str) -> list[str]:
    """How the data below ``root`` differ from those of the protocol.

    Args:
        dataset (Dataset): Row of the table, which knows how many entries and
            images the lists and folders of the published sets hold.
        root (str): Data root.

    Returns:
        list[str]: One text for each count that differs.
    """
    images = survey(dataset, root).images
    found = [
        (path, count(Path(root) / path), want, 'entries')
        for path, want in dataset.counts
    ]
    found += [
        (path, images[path], want, 'images') for path, want in dataset.files
    ]
    return [
        f"{path} has {got} {what}, the protocol's {want}"
        for path, got, want, what in found
        if got != want
    ]


def _listing(folder: Path) -> list:
    """Sorted (relative path, bytes) of every file below a folder."""
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(base, name)
            found.append(
                (os.path.relpath(full, folder), os.stat(full).st_size)
            )
    return sorted(found)
