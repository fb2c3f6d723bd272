"""What a data set was, in 64 digits, and whether it is the protocol's."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError, one_line
from ssl_bench.files import sha256, visible_files
from ssl_bench.tasks.datasets import MINI_ROOT, MINI_SIZES, Dataset
from ssl_bench.tasks.layouts import Layout
from ssl_bench.tasks.layouts.lines import Size
from ssl_bench.tasks.pretraining_sets import custom, is_as_written, mini_sizes

OWN_LABELS = ('.xml', '.XML')


@cache
def fingerprint(dataset: Dataset, root: str) -> str:
    """SHA-256 over lists and annotations, and names and sizes of the rest.

    A file among the data set's paths counts with its content, a folder with
    the relative names and sizes of all files below it that are not hidden:
    reading every image of ImageNet for each run would take too long. Own
    data have absolute paths: they count in their order, not by where they
    are, and of their folders XML files count with their content, since
    labels are corrected. It is computed once per process.

    Args:
        dataset (Dataset): Row of the table.
        root (str): Data root.
    """
    digest = hashlib.sha256()
    for place, path in enumerate(dataset.paths):
        own = os.path.isabs(path)
        digest.update(f'{place if own else path}\n'.encode())
        _add(digest, Path(root) / path, OWN_LABELS if own else ())
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


def _add(digest: Any, path: Path, read: tuple[str, ...] = ()) -> None:
    """A file with its content, a folder with its names and sizes.

    Args:
        digest: Of hashlib.
        path (Path): The file or folder.
        read (tuple[str, ...]): Endings of files in folders that count with
            their content, too.
    """
    if path.is_file():
        digest.update(sha256(path).encode())
        return
    for name, size in _listing(path):
        digest.update(f'{name} {size}\n'.encode())
        if read and name.endswith(read):
            digest.update(sha256(path / name).encode())


@cache
def other_data(dataset: Dataset, root: str) -> list[str]:
    """How the data below ``root`` differ from those of the protocol.

    Args:
        dataset (Dataset): Row of the table, whose layouts know the size of
            the published set.
        root (str): Data root.

    Returns:
        list[str]: One text for each number that differs.

    Raises:
        UserError: A list or an annotation file cannot be read.
    """
    layouts = [layout for layout, _ in dataset.parts(root)]
    if dataset.root == MINI_ROOT:
        sizes = mini_sizes(root)
        if sizes is None:
            return [f'{root} was not written by `ssl-bench data mini`']
        layouts = [_counted(layout, root, sizes) for layout in layouts]
    found = [
        f'{os.path.relpath(size.place, root)} has {size.got} {size.what}, '
        f"the protocol's {size.want}"
        for layout in layouts
        if layout.sized
        for size in _sizes(layout)
        if size.differs
    ]
    found += [
        f'{os.path.relpath(layout.place, root)} has other classes than the '
        f"protocol's, first {other[0]}"
        for layout in layouts
        for other in [layout.other_classes()]
        if other
    ]
    if dataset.root == MINI_ROOT and not found and not is_as_written(root):
        found.append(
            f'{root} has other files than `ssl-bench data mini` wrote'
        )
    return found


def _sizes(layout: Layout) -> list[Size]:
    """Those of a layout; a file that cannot be read is one line."""
    try:
        return layout.sizes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{layout.place} cannot be read: {one_line(error)}. Write or '
            'download it again.'
        ) from error


def _counted(layout: Layout, root: str, sizes: Mapping[str, int]) -> Layout:
    """A layout with the number of images that were written there."""
    name = MINI_SIZES.get(Path(os.path.relpath(layout.place, root)).as_posix())
    if name is None:
        return layout
    return layout.model_copy(update=dict(count=sizes.get(name, 0)))


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
