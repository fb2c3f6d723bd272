"""Write files whole or not at all; list what is in a folder."""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EFBIG,
}


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


def cannot_write(path: str | Path, error: OSError) -> UserError:
    """What a user reads when a file cannot be written."""
    return UserError(
        f'cannot write {path}: {error.strerror or error}. Nothing was '
        'written there; free space or choose another place.'
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
    path: str | Path, force: bool, text: str = '', mark: str = ''
) -> None:
    """Check that nothing would be replaced that the user may still need.

    Args:
        path (str | Path): The file to write.
        force (bool): The user said that it may be replaced.
        text (str): What will be written, if known; a file that has it
            already is no loss.
        mark (str): What the beginning of a file has that the same command
            wrote, where a repeated one is expected to replace it.

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
        if mark and mark.encode() in start[:2000]:
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


def visible_files(
    folder: str | Path,
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """The files in a folder and in each folder below it, in no order.

    Hidden files and folders (``.DS_Store``, ``._a.jpg``,
    ``.ipynb_checkpoints``) and links that lead nowhere are left out.

    Args:
        folder (str | Path): Where to look; links to folders are followed.

    Yields:
        tuple[str, list[os.DirEntry]]: What to put before the names, so that
        they are relative to ``folder``, and the files.
    """
    waiting = [(os.fspath(folder), '')]
    while waiting:
        home, prefix = waiting.pop()
        with os.scandir(home) as found:
            entries = list(found)
        files = [e for e in entries if e.is_file() and e.name[0] != '.']
        if len(files) < len(entries):
            waiting += [
                (entry.path, f'{prefix}{entry.name}/')
                for entry in entries
                if entry.name[0] != '.' and entry.is_dir()
            ]
        yield prefix, files


def images_below(
    folder: str | Path, endings: tuple[str, ...] = IMAGE_ENDINGS
) -> list[str]:
    """Sorted paths of the images below a folder, relative to it.

    Args:
        folder (str | Path): Where to look, as `visible_files` does.
        endings (tuple[str, ...]): Of their names, in small letters.
    """
    return sorted(
        [
            prefix + entry.name
            for prefix, files in visible_files(folder)
            for entry in files
            if entry.name.lower().endswith(endings)
        ]
    )
