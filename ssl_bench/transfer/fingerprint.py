"""What a data set was, in 64 digits."""
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from ssl_bench.files import sha256
from ssl_bench.transfer.datasets import Dataset


@lru_cache(maxsize=None)
def fingerprint(dataset: Dataset, root: str) -> str:
    """SHA-256 over lists and annotations, and names and sizes of the rest.

    A file among the data set's paths counts with its content, a folder with
    the relative names and sizes of all files below it: reading every image
    of ImageNet for each run would cost more than it tells.

    Args:
        dataset (Dataset): Row of the table.
        root (str): Data root.
    """
    digest = hashlib.sha256()
    for path in dataset.paths:
        full = Path(root) / path
        digest.update(f'{path}\n'.encode())
        if full.is_file():
            digest.update(sha256(full).encode())
            continue
        for name, size in _listing(full):
            digest.update(f'{name} {size}\n'.encode())
    return digest.hexdigest()


def _listing(folder: Path) -> list:
    """Sorted (relative path, bytes) of every file below a folder."""
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(base, name)
            found.append((os.path.relpath(full, folder),
                          os.stat(full).st_size))
    return sorted(found)
