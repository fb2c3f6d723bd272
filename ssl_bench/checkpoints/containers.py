"""What kind of file a checkpoint is, told without reading its weights.

What is too large, cut short, or not a plain file is refused here, before
anything is opened by a library that would believe what the file says.
"""

import codecs
import json
import os
import re
import stat
import zipfile
from pathlib import Path

from ssl_bench.checkpoints import hf_folders
from ssl_bench.errors import UserError

PathLike = str | Path
MAX_HEADER = 100_000_000  # bytes of a safetensors header, as the library
ENDINGS = ('.pth', '.pt', '.ckpt', '.tar', '.pkl', '.bin', '.safetensors')
AGAIN = 'copy or download it again'
# The start of a pickle: a protocol's number, or in the oldest protocols a
# dict, a list or the name of a class. A text may begin with the same letter.
_PICKLE = re.compile(rb'\x80|[}\]][q.]|\([dl]p\d|\([dl]q|c[\w.]+\n[\w.]+\n')


def kind_of(path: PathLike, part: bool = False) -> str:
    """Tell a file's container from its first bytes, not from its name.

    Args:
        path (str | Path): The file, or a folder of transformers.
        part (bool): It is one of the files that an index names.

    Returns:
        str: zip, legacy or pickle (torch's two serialisations and a plain
        pickle), safetensors, or shards (a folder of transformers, its index
        or one of its parts).

    Raises:
        UserError: It is none of them, with what it looks like instead; it is
            a pipe or a device; it would unpack to more than it is.
    """
    path = Path(path)
    head = _head(path)
    if head is None:
        _check_folder(path)
        return 'shards'
    if not part and hf_folders.index_of(path):
        return 'shards'
    if not head:
        raise UserError(f'{path} is empty: {AGAIN}')
    if head[:4] == b'PK\x03\x04':
        _check_zip(path)
        return 'zip'
    length = int.from_bytes(head[:8], 'little')
    text = head[:8].decode('latin-1').isprintable()
    if head[8:9] == b'{' and (length <= MAX_HEADER or not text):
        _check_header(path, length)
        return 'safetensors'
    if _PICKLE.match(head):
        # torch's older serialisation begins with a pickled magic number
        magic = bytes.fromhex('6cfc9c46f9206aa85019')
        return 'legacy' if magic in head[:64] else 'pickle'
    raise UserError(f'{path} is not a checkpoint: {_look(head)}')


def _head(path: Path) -> bytes | None:
    """The first bytes of a plain file; None for a folder."""
    try:
        # before it is opened: opening a pipe waits for a writer
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return None
        if not stat.S_ISREG(mode):
            raise UserError(
                f'{path} is not a file but a pipe, a socket or a device: '
                'save the checkpoint in a file first'
            )
        with open(path, 'rb') as file:
            return file.read(512)
    except FileNotFoundError:
        raise UserError(
            f'no such checkpoint: {path}. Name a file or a folder, or '
            'weights by name (timm:NAME, hf:OWNER/REPO).'
        ) from None
    except PermissionError:
        raise UserError(f'no permission to read {path}') from None
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'cannot read {path}: {reason}') from None


def _check_folder(path: Path) -> None:
    """Refuse a folder that transformers did not save, with its kind."""
    if hf_folders.index_of(path):
        return
    names = sorted(entry.name for entry in os.scandir(path))
    if '.metadata' in names or any(n.endswith('.distcp') for n in names):
        raise UserError(
            f'{path} is a sharded checkpoint of torch.distributed (FSDP): '
            'merge it with `python -m '
            f'torch.distributed.checkpoint.format_utils dcp_to_torch {path} '
            'OUT.pth` and give OUT.pth'
        )
    if 'zero_to_fp32.py' in names:
        raise UserError(
            f'{path} is a sharded checkpoint of DeepSpeed: merge it with '
            f'`python {path}/zero_to_fp32.py {path} OUT` and give the file '
            'that it writes'
        )
    files = [n for n in names if n.endswith(ENDINGS)]
    inside = f'; it holds {", ".join(files[:4])}' if files else ''
    raise UserError(
        f'{path} is a folder, and not one that transformers saved '
        f'({" or ".join(hf_folders.NAMES)}): give the checkpoint file{inside}'
    )


def _check_zip(path: Path) -> None:
    """Check a zip file's directory, which says how large it unpacks.

    torch.save compresses nothing, so a file of it unpacks to less than it
    is.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # a damaged directory raises anything at all
        raise cut_short(path) from error
    names = [entry.filename for entry in entries]
    if any(name.endswith('.npy') for name in names):
        raise UserError(
            f'{path} is an archive of numpy arrays (.npz), which is not '
            'read: save the arrays as a dict of tensors with torch.save'
        )
    if any(re.match(r'[^/]+/(constants\.pkl|code/)', name) for name in names):
        raise UserError(
            f'{path} is a TorchScript program, which is code: load it with '
            'torch.jit.load and save its state_dict() with torch.save'
        )
    if not any(name.endswith('data.pkl') for name in names):
        raise UserError(
            f'{path} is a zip archive that torch.save did not write: unpack '
            'it and give the checkpoint inside'
        )
    unpacked = sum(entry.file_size for entry in entries)
    stored = all(
        entry.compress_type == zipfile.ZIP_STORED for entry in entries
    )
    if not stored or unpacked > size:
        raise UserError(
            f'{path} has {size:,} bytes and would unpack to {unpacked:,}; '
            'torch.save compresses nothing, so it did not write this file, '
            'and it was not read'
        )


def _check_header(path: Path, length: int) -> None:
    """Check what a safetensors header says of the file's length."""
    size = path.stat().st_size
    if length > MAX_HEADER:
        raise UserError(
            f'{path} is damaged: its safetensors header would have '
            f'{length:,} bytes, and {MAX_HEADER:,} are the most: {AGAIN}'
        )
    if 8 + length > size:
        raise cut_short(path, 8 + length)
    with open(path, 'rb') as file:
        file.seek(8)
        text = file.read(length)
    try:
        ends = [
            row['data_offsets'][1]
            for name, row in json.loads(text).items()
            if name != '__metadata__'
        ]
        whole = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError):
        return  # the library says what is wrong with it
    except RecursionError:
        raise UserError(f'{path} is damaged: its header is nested') from None
    if whole > size:
        raise cut_short(path, whole)


def cut_short(path: PathLike, most: int | None = None) -> UserError:
    """The error for a file whose end is missing.

    Args:
        path (str | Path): The file.
        most (int, optional): Bytes that it should have, where that is known.
    """
    size = Path(path).stat().st_size
    rest = ', its end is missing' if most is None else f' of {most:,}'
    what = 'cut short or damaged' if most is None else 'cut short'
    return UserError(f'{path} is {what} ({size:,} bytes{rest}): {AGAIN}')


# what other files begin with, and what to do about them
_OTHERS = (
    (b'\x1f\x8b', 'it is compressed; run gunzip first'),
    (b'BZh', 'it is compressed; run bunzip2 first'),
    (b'\xfd7zXZ', 'it is compressed; run unxz first'),
    (b'\x28\xb5\x2f\xfd', 'it is compressed; run unzstd first'),
    (b'7z\xbc\xaf', 'it is a 7z archive; unpack it first'),
    (b'PK\x05\x06', 'it is an empty zip archive'),
    (
        b'\x89HDF',
        'it is an HDF5 file, as Keras writes; only weights of torch are read',
    ),
    (b'GGUF', 'it is a GGUF file, with quantised weights, which are not read'),
    (b'\x93NUMPY', 'it is one numpy array, without names'),
    (
        b'version https://git-lfs',
        'it is a git-lfs pointer; run `git lfs pull` for the file',
    ),
)


def _look(head: bytes) -> str:
    """Say what a file that holds no weights looks like."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if text.startswith(b'<'):
        return (
            'it looks like a web page, so its download failed; open the '
            'address in a browser to see why'
        )
    for start, what in _OTHERS:
        if head.startswith(start):
            return what
    if head[257:262] == b'ustar':
        return 'it is a tar archive; run `tar xf` and give the file inside'
    if not head.strip(b'\0'):
        return f'it begins with zeros, as a failed copy does: {AGAIN}'
    what = 'it is text; ' if head.isascii() else ''
    return (
        f'{what}its first bytes are {head[:8]!r}; expected a .pth, .pt, '
        '.ckpt, .safetensors or .pkl file'
    )
