"""Write files whole or not at all; list what is in a folder."""

import errno
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ssl_bench.errors import UserError

# endings of image files; Pillow and OpenCV read all of them
IMAGE_ENDINGS = (
    '.jpg',
    '.jpeg',
    '.png',
    '.bmp',
    '.ppm',
    '.pgm',
    '.tif',
    '.tiff',
    '.webp',
)
# all endings of what `ssl_bench.pixels` reads: those of images to pretrain on,
# in class folders, or with masks of labels
PILLOW_ENDINGS = (
    *IMAGE_ENDINGS,
    '.apng',
    '.avif',
    '.avifs',
    '.dib',
    '.gif',
    '.j2c',
    '.j2k',
    '.jfif',
    '.jp2',
    '.jpc',
    '.jpe',
    '.jpf',
    '.jpx',
    '.mpo',
    '.pbm',
    '.pnm',
)
# fraction of a pretraining's images that may be unreadable
UNREADABLE_LIMIT = 0.01

FULL = {errno.ENOSPC, errno.EDQUOT}
DISK_ERRORS = {
    *FULL,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EFBIG,
}
# folders that systems and NAS devices make in a folder of images; hidden ones
# (`.ipynb_checkpoints`) are known by their dot
SYSTEM_FOLDERS = frozenset(
    (
        '#recycle',
        '#snapshot',
        '$RECYCLE.BIN',
        '@Recycle',
        '@eaDir',
        'System Volume Information',
        '__MACOSX',
        'lost+found',
    )
)


def require_folder(path: str | Path) -> None:
    """Check that a folder is there or can be made.

    Raises:
        UserError: It, or what is above it, is a file.
    """
    for place in (Path(path), *Path(path).parents):
        if place.exists():
            if not place.is_dir():
                raise UserError(f'{place} is a file, not a folder.')
            return


def require_writable(path: str | Path) -> None:
    """Check that a folder is there, or can be made, and can be written.

    Raises:
        UserError: It, or what is above it, is a file or cannot be written.
    """
    require_folder(path)
    for place in (Path(path).absolute(), *Path(path).absolute().parents):
        if place.exists():
            if not os.access(place, os.W_OK | os.X_OK):
                why = '' if place == Path(path).absolute() else f' in {place}'
                raise UserError(
                    f'cannot write {path}: no permission{why}. Choose '
                    'another folder.'
                )
            return


def cannot_write(path: str | Path, error: OSError) -> UserError:
    """What a user reads when a file cannot be written."""
    # safetensors gives a text alone
    full = error.errno is None or error.errno in FULL
    return UserError(
        f'cannot write {path}: {error.strerror or error}. Nothing was '
        f'written there; {"free space or " if full else ""}choose another '
        'place.'
    )


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path next to ``path`` that replaces it at the end.

    Args:
        path (str | Path): The final file; its folder is made.

    Yields:
        Path: Where to write. If the block raises, it is removed and what
        was at ``path`` before stays.

    Raises:
        UserError: The folder or the file cannot be written (no space, no
            permission, a file where a folder is needed).
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f'.{path.name}.', suffix='.part'
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)  # mkstemp makes it private
        # else a machine that crashes can leave an empty file of this name
        with open(temporary, 'rb') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full, read-only or failing disk into one line.

    Raises:
        UserError: With the file, where the system names it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        where = f'{error.filename}: ' if error.filename else ''
        raise UserError(
            f'{where}{error.strerror}. Make room or allow access, then give '
            'the same command again.'
        ) from error


def keep_existing(
    path: str | Path,
    force: bool,
    text: str = '',
    mark: str | tuple[str, ...] = (),
) -> None:
    """Check that nothing would be replaced that the user may still need.

    Args:
        path (str | Path): The file to write.
        force (bool): The user said that it may be replaced.
        text (str): What will be written, if known; a file that has it
            already is no loss.
        mark (str | tuple[str, ...]): What the beginning of a file has that
            the same command wrote, where a repeated one is expected to
            replace it; one of several.

    Raises:
        UserError: There is a file, or a link.
    """
    path = Path(path)
    if force or not os.path.lexists(path):
        return
    if path.is_file():
        with open(path, 'rb') as file:
            start = file.read(len(text.encode()) + 2000)
        if text and start == text.encode():
            return
        marks = (mark,) if isinstance(mark, str) else mark
        if any(m.encode() in start[:2000] for m in marks):
            return
    raise UserError(
        f'{path} is there already. Name another output, or add --force to '
        'replace it.'
    )


def keep_input(output: str | Path, source: str | Path, *inside: str) -> None:
    """Check that writing ``output`` would not replace what is read.

    Args:
        output (str | Path): The file or folder to write.
        source (str | Path): The file or folder that is read.
        inside (str): Names of files in either, where it is a folder.

    Raises:
        UserError: They are the same, by another spelling or a link, too.
    """
    written, read = (
        [Path(path), *(Path(path) / name for name in inside)]
        for path in (output, source)
    )
    for new in written:
        for old in read:
            if new.exists() and old.exists() and new.samefile(old):
                raise UserError(
                    f'{output} is, or holds, the input {source} '
                    'itself: name another output.'
                )


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic_path(path) as part:
        part.write_text(text, encoding='utf-8')


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is never data.

    Its name begins with a dot (``.DS_Store``, ``._a.jpg``,
    ``.ipynb_checkpoints``), or a system makes it (`SYSTEM_FOLDERS`).
    """
    return name.startswith('.') or name in SYSTEM_FOLDERS


class Place(NamedTuple):
    """What is in one folder, without the folders below it.

    Attributes:
        prefix (str): What to put before the names, so that they are relative
            to where the walk began.
        files (list[os.DirEntry]): In no order.
        left_out (list[str]): Names that are hidden (`is_hidden`), or links
            that lead nowhere or back.
        stat (os.stat_result): Of the folder, before it was looked into.
    """

    prefix: str
    files: list[os.DirEntry[str]]
    left_out: list[str]
    stat: os.stat_result


def walk(folder: str | Path) -> Iterator[Place]:
    """A folder, and each folder below it that is not hidden, in no order.

    Args:
        folder (str | Path): Where to look. Links to folders are followed,
            but not back into a folder that the link is in.
    """
    waiting: list[tuple[str, str, tuple[str, ...]]] = [
        (os.fspath(folder), '', ())
    ]
    while waiting:
        home, prefix, above = waiting.pop()
        stat = os.stat(home)
        with os.scandir(home) as found:
            entries = list(found)
        files, left_out = [], []
        for entry in entries:
            if is_hidden(entry.name):
                left_out.append(entry.name)
            elif is_file(entry):
                files.append(entry)
            elif not is_folder(entry):
                left_out.append(entry.name)
            elif not entry.is_symlink():
                waiting.append((entry.path, f'{prefix}{entry.name}/', above))
            else:
                inside = (*above, os.path.realpath(home))
                if _leads_back(entry.path, inside):
                    left_out.append(entry.name)
                else:
                    waiting.append(
                        (entry.path, f'{prefix}{entry.name}/', inside)
                    )
        yield Place(prefix, files, left_out, stat)


def visible_files(
    folder: str | Path,
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """The files of `walk`, each folder with its prefix."""
    for place in walk(folder):
        yield place.prefix, place.files


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; a link to itself not."""
    return _is(entry.is_dir)


def is_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file or leads to one; a link to itself not."""
    return _is(entry.is_file)


def _is(question: Callable[[], bool]) -> bool:
    """An entry's ``is_file`` or ``is_dir``; no, for a link to itself."""
    try:
        return question()
    except OSError:
        return False


def _leads_back(link: str, passed: tuple[str, ...]) -> bool:
    """Whether a link is to a folder that is on the way to it.

    Args:
        link (str): Of a folder.
        passed (tuple[str, ...]): Real paths of the folders with links that
            were followed, the link's own at the end.
    """
    real = os.path.realpath(link)
    return any(
        path == real or path.startswith(real.rstrip(os.sep) + os.sep)
        for path in passed
    )


def count_endings(names: Iterable[str]) -> str:
    """For instance: 1200 .jpg, 30 .png; the most frequent first."""
    counts = Counter(
        os.path.splitext(name)[1].lower() or 'without ending' for name in names
    )
    return ', '.join(
        f'{count} {ending}'
        for ending, count in sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
    )
