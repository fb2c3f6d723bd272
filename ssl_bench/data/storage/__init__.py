"""Where the images of a pretraining can be, by the name of the data root."""

import os
from collections.abc import Sequence

from ssl_bench.data.storage.archives import Tar, Zip
from ssl_bench.data.storage.base import Container, Listed, Storage
from ssl_bench.data.storage.folder import Folder
from ssl_bench.data.storage.lmdb_file import Lmdb
from ssl_bench.data.storage.names import ImageList, Names
from ssl_bench.data.storage.tables import Arrow, Parquet
from ssl_bench.errors import UserError
from ssl_bench.files import PILLOW_ENDINGS

__all__ = [
    'ImageList',
    'Listed',
    'Names',
    'Storage',
    'no_images',
    'open_storage',
]

CONTAINERS: tuple[type[Container], ...] = (Zip, Tar, Lmdb, Parquet, Arrow)
PACKED = ('.tar.gz', '.tgz', '.tar.bz2', '.tar.xz', '.tar.zst')


def open_storage(
    path: str, endings: Sequence[str] = PILLOW_ENDINGS
) -> Storage:
    """The storage that a path names; nothing is listed.

    Args:
        path (str): A folder; or a file or pattern of files that ends in
            ``.zip``, ``.tar``, ``.lmdb``, ``.parquet`` or ``.arrow``, which
            a folder in the files may follow (``train.zip/train``).
        endings (Sequence[str]): Of names of images, in small letters.

    Raises:
        UserError: It is not there or of no kind that can be read, or a
            package is missing.
    """
    path = str(path)
    path = path.rstrip('/') or path
    whole = path
    parts = path.split('/')
    for number in range(1, len(parts) + 1):
        root = '/'.join(parts[:number])
        kind = _container(root)
        if kind is not None:
            return kind(root, endings, '/'.join(parts[number:]))
        if root.lower().endswith(PACKED) and not os.path.isdir(root):
            raise UserError(
                f'{root} is compressed as a whole, so no image in it can be '
                'read alone. Unpack it to a .tar file or a folder.'
            )
    if os.path.isfile(os.path.join(path, 'data.mdb')):
        return Lmdb(path, endings)
    if not os.path.isdir(path):
        what = 'is a file, and not one of' if os.path.exists(path) else ''
        if what:
            known = ', '.join(kind.suffixes[0] for kind in CONTAINERS)
            raise UserError(
                f'{path} {what} {known}, or a folder. Name the folder that '
                'has your images.'
            )
        raise UserError(
            f'no folder {whole} to pretrain on. Write the embedded data '
            'with `ssl-bench data mini --root data/mini`, or name the folder '
            'that has your images: `ssl-bench pretrain CONFIG --data DIR`.'
        )
    return Folder(path, endings)


def _container(path: str) -> type[Container] | None:
    """The kind of file that a path names; None for a folder."""
    for kind in CONTAINERS:
        if not path.lower().endswith(kind.suffixes):
            continue
        if os.path.isdir(path):  # a folder may have any name
            inner = os.path.join(path, 'data.mdb')
            return kind if kind is Lmdb and os.path.isfile(inner) else None
        return kind
    return None


def no_images(storage: Storage, listed: Listed) -> UserError:
    """What a user reads where nothing can be pretrained on."""
    others = listed.images.others
    text = (
        f'{storage.root} has no image with one of the endings '
        f'{", ".join(storage.endings)}{f", but {others}" if others else ""}. '
        'Name the folder that has your images.'
    )
    for kind in CONTAINERS:
        for name in listed.others:
            if isinstance(storage, Folder) and name.lower().endswith(
                kind.suffixes
            ):
                pattern = os.path.join(
                    storage.root, os.path.dirname(name), f'*{kind.suffixes[0]}'
                )
                return UserError(
                    f'{text} To read the images in those, give the data root '
                    f'{pattern}'
                )
    return UserError(text)
