"""Put the images of a folder into files that hold many."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from glob import escape, glob
from itertools import islice
from pathlib import Path
from typing import Any

from ssl_bench.data.storage import ImageList, Storage, open_storage
from ssl_bench.errors import UserError, shown
from ssl_bench.files import atomic_path, keep_existing

PER_FILE = 10_000  # images of a file, where there are several
PER_GROUP = 32  # images of a row group; reading one reads them all
LMDB_EXTRA = 2**20  # bytes that a database may need besides its images

Item = tuple[str, bytes]
Show = Callable[[int, int], None]


def pack(
    source: str,
    output: str,
    force: bool = False,
    show: Show | None = None,
    per_file: int = PER_FILE,
) -> list[str]:
    """Write the images of a storage into one file, or into several.

    Names and contents stay as they are. Files appear when all are whole.

    Args:
        source (str): As ``train_dataloader.dataset.data_root``.
        output (str): Ends in ``.zip``, ``.tar``, ``.lmdb`` or ``.parquet``.
            With one ``*`` in its name, several files are written, numbered
            there from 000000.
        force (bool): Replace files, also those of an earlier, larger set that
            the pattern would find.
        show (Callable, optional): Called with images done, and all.
        per_file (int): Images of a file, where there are several.

    Returns:
        list[str]: The files.

    Raises:
        UserError: A wrong name, no image, a file that is there, a package
            that is missing, an image that cannot be read.
    """
    ending = os.path.splitext(output)[1].lower()
    if ending not in WRITERS:
        raise UserError(
            f'{output} does not end in one of {", ".join(WRITERS)}.'
        )
    name = os.path.basename(output)
    if '*' in os.path.dirname(output) or name.count('*') > 1:
        raise UserError(f'{output}: one * in the name of the files is enough.')
    if ending == '.lmdb' and '*' in name:
        raise UserError(f'{output}: one database holds all images; leave *.')
    storage = open_storage(source)
    images = storage.list().images
    if not len(images):
        raise UserError(f'{source} has no image.')
    count = -(-len(images) // per_file) if '*' in name else 1
    paths = [output.replace('*', f'{i:06d}') for i in range(count)]
    earlier = _earlier(output, paths)
    for path in [*paths, *earlier]:
        keep_existing(path, force)
    items = _contents(storage, images, show)
    with ExitStack() as stack:  # some of the files would be another set
        parts = [stack.enter_context(atomic_path(path)) for path in paths]
        for part in parts:
            some = islice(items, per_file) if count > 1 else items
            WRITERS[ending](part, some)
    for path in earlier:
        os.unlink(path)
    return paths


def _earlier(output: str, paths: list[str]) -> list[str]:
    """Numbered files that a pattern finds besides those to be written.

    Raises:
        UserError: It finds other files, which no `pack` has written.
    """
    if '*' not in output:
        return []
    first, last = output.split('*')
    found = glob(f'{escape(first)}*{escape(last)}')
    for path in found:
        number = path[len(first) : len(path) - len(last)]
        if not number.isdecimal() or len(number) < 6:
            raise UserError(
                f'{output} as a data root would also read {path}: choose '
                'another name.'
            )
    return sorted({*found} - {*paths})


def _contents(
    storage: Storage, images: ImageList, show: Show | None
) -> Iterator[Item]:
    """Names and contents, in the order of the names.

    Raises:
        UserError: An image cannot be read, or its name cannot be kept.
    """
    before = None
    for index, name in enumerate(images.names):
        fault = ''
        if name == before:
            fault = f'two images of the name {name}'
        elif any('\ud800' <= letter <= '\udfff' for letter in name):
            fault = f'a name that is not UTF-8 ({shown(name)})'
        if fault:
            raise UserError(
                f'{storage.root} has {fault}: rename one before you pack them.'
            )
        before = name
        try:
            content = storage.source(images, index)
            if isinstance(content, str):
                content = Path(content).read_bytes()
        except OSError as error:
            raise UserError(
                f'{name} of {storage.root} cannot be read: '
                f'{error.strerror or error}.'
            ) from error
        yield name, content
        if show:
            show(index + 1, len(images))


def _write_zip(path: Path, items: Iterator[Item]) -> None:
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as file:
        for name, content in items:
            # without a time, the same images give the same file
            file.writestr(zipfile.ZipInfo(name), content)


def _write_tar(path: Path, items: Iterator[Item]) -> None:
    with tarfile.open(path, 'w:') as file:
        for name, content in items:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
            file.members = []  # type: ignore[attr-defined]


@contextmanager
def _needs(package: str, extra: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UserError(
            f'{package} is missing: pip install "ssl-bench[{extra}]"'
        ) from error


def _write_lmdb(path: Path, items: Iterator[Item]) -> None:
    with _needs('lmdb', 'lmdb'):
        import lmdb
    path.unlink()  # an empty file is not a database
    # the size is a limit, and grows with what comes
    size = LMDB_EXTRA
    database = lmdb.open(
        str(path), subdir=False, map_size=size, lock=False, sync=False
    )
    try:
        while some := list(islice(items, 256)):
            # pages of 4096 bytes, and a part of a page for each name
            size += sum(len(content) + 3 * 4096 for _, content in some)
            database.set_mapsize(size)
            with database.begin(write=True) as step:
                for name, content in some:
                    step.put(name.encode(), content)
        database.sync(True)
    except lmdb.Error as error:  # a full disk, a name of over 511 bytes
        raise OSError(str(error)) from error
    finally:
        database.close()


def _write_parquet(path: Path, items: Iterator[Item]) -> None:
    with _needs('pyarrow', 'parquet'):
        import pyarrow
        import pyarrow.parquet
    kind = pyarrow.struct(
        [('bytes', pyarrow.binary()), ('path', pyarrow.string())]
    )
    # tells `datasets` that these are images
    feature = '{"info": {"features": {"image": {"_type": "Image"}}}}'
    schema = pyarrow.schema(
        [('image', kind)], metadata={'huggingface': feature}
    )
    with pyarrow.parquet.ParquetWriter(
        path, schema, compression='none', use_dictionary=False
    ) as file:
        while some := list(islice(items, PER_GROUP)):
            rows: list[dict[str, Any]] = [
                dict(bytes=content, path=name) for name, content in some
            ]
            column = pyarrow.array(rows, kind)
            file.write_table(
                pyarrow.table([column], schema=schema),
                row_group_size=len(rows),
            )


WRITERS: dict[str, Callable[[Path, Iterator[Item]], None]] = {
    '.zip': _write_zip,
    '.tar': _write_tar,
    '.lmdb': _write_lmdb,
    '.parquet': _write_parquet,
}
