"""Files to plain tensors: any container, and no code from inside it."""

import codecs
import hashlib
import importlib
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from ssl_bench.checkpoints import pickle_shape
from ssl_bench.checkpoints.containers import cut_short, kind_of
from ssl_bench.checkpoints.harmless import (
    DICTS,
    INERT,
    NEW_DICTS,
    Inert,
    InertList,
    ordered,
)
from ssl_bench.checkpoints.hf_folders import index_of, weight_files
from ssl_bench.errors import UserError, one_line, printable
from ssl_bench.files import sha256

PathLike = str | Path
TRUST = (
    'If you trust where the file comes from, add --trust (it runs code '
    'from the file)'
)


@contextmanager
def inert_globals(
    others: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[None]:
    """Let ``torch.load(weights_only=True)`` meet the classes above.

    The permission ends with the block and covers names only: the classes
    themselves are never looked up.

    Args:
        others (Mapping[str, Any]): What to use for some of the names,
            instead of an `Inert`.
    """
    from torch.serialization import safe_globals

    known = {
        **dict.fromkeys(INERT, Inert),
        **dict.fromkeys(DICTS, ordered),
        **dict.fromkeys(NEW_DICTS, OrderedDict),
        'collections.deque': InertList,
        **others,
    }
    with safe_globals([(item, name) for name, item in known.items()]):
        yield


class _Buffer(Inert):
    """In place of mmengine's log of one number while a file is read."""

    _log_history: Any
    _count_history: Any
    max_length: Any

    def real(self) -> Any:
        """The log itself, made of the arrays alone."""
        from mmengine.logging import HistoryBuffer

        return HistoryBuffer(
            self._log_history.tolist(),
            self._count_history.tolist(),
            self.max_length,
        )


def _log_types() -> dict[str, Any]:
    """What the log of a run is made of, in addition to plain values."""
    import numpy as np

    multiarray = _multiarray()
    types = {
        f'numpy.dtypes.{type(np.dtype(code)).__name__}': type(np.dtype(code))
        for code in ('f4', 'f8', 'i4', 'i8')
    }
    for package in ('numpy.core', 'numpy._core'):
        types[f'{package}.multiarray._reconstruct'] = multiarray._reconstruct
        types[f'{package}.multiarray.scalar'] = multiarray.scalar
    return {
        **types,
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
        'mmengine.logging.history_buffer.HistoryBuffer': _Buffer,
    }


def _multiarray() -> ModuleType:
    """Where numpy keeps the functions that its pickles name."""
    try:
        return importlib.import_module('numpy._core.multiarray')
    except ImportError:  # numpy 1
        return importlib.import_module('numpy.core.multiarray')


class ArrayUnpickler(pickle.Unpickler):
    """Reads a pickle of plain containers and numpy arrays, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Give the class a pickle names, if it is inert.

        Raises:
            UserError: It is not; the message names it.
        """
        import numpy as np

        multiarray = _multiarray()
        known = {
            'collections.OrderedDict': OrderedDict,
            'numpy.ndarray': Inert,
            'numpy.dtype': np.dtype,
            '_codecs.encode': _latin1,
        }
        for package in ('numpy.core', 'numpy._core'):
            known[f'{package}.multiarray._reconstruct'] = _empty_array
            known[f'{package}.multiarray.scalar'] = multiarray.scalar
        if f'{module}.{name}' not in known:
            raise _Refused(f'{module}.{name}')
        return known[f'{module}.{name}']


class _Refused(Exception):
    """A pickle asked for a class that is not on the list."""


def _empty_array(*args: Any) -> Any:
    """How a pickle begins an array, whose values give it its size."""
    import numpy as np

    return np.empty(0, np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes; other codecs are refused."""
    if encoding not in ('latin1', 'latin-1'):
        raise _Refused(f'_codecs.encode with {encoding!r}')
    return codecs.encode(text, 'latin-1')


def read_object(path: PathLike, trust: bool = False) -> Any:
    """Read a file's content, running nothing that it brings.

    Args:
        path (str | Path): The checkpoint.
        trust (bool): Unpickle whatever the file asks for. That runs its
            code: only for files whose author you trust.

    Returns:
        Whatever was saved, mostly a dict; safetensors give
        ``{'state_dict', 'metadata'}``.

    Raises:
        UserError: Truncated, not a checkpoint, or in need of a class that is
            not on the list.
    """
    kind = kind_of(path)
    if kind == 'shards':
        return _read_shards(Path(path), trust)
    return _read_file(path, kind, trust)


def _read_file(path: PathLike, kind: str, trust: bool) -> Any:
    """`read_object` of one file."""
    if kind == 'safetensors':
        return _read_safetensors(Path(path))
    try:
        if not trust:
            _check_shape(path, kind)
        if kind == 'pickle':
            return _read_pickle(path, trust)
        return _read_torch(path, kind, trust)
    except _Refused as error:
        raise _refusal(path, str(error), TRUST) from None
    except Exception as error:  # damaged pickles raise anything at all
        raise _translated(path, error, '' if trust else TRUST) from error


def read_training(
    path: PathLike, map_location: Any = None, weights_only: bool | None = None
) -> Any:
    """Read a run's own checkpoint, with optimizer and log, running nothing.

    It has the arguments of the toolkit's loader, whose place it takes
    (`engine.runner`).

    Args:
        path (str | Path): The checkpoint.
        map_location: As `torch.load`.
        weights_only (bool, optional): Always true, whatever is given.

    Raises:
        UserError: Truncated, not a checkpoint of torch, or in need of a
            class that is not on the list.
    """
    import torch

    kind = kind_of(path)
    if kind not in ('zip', 'legacy'):
        raise UserError(
            f'{path} is not a checkpoint of a run that can be '
            f'continued: it is of the kind {kind}. Name a file '
            'that pretraining or transfer wrote.'
        )
    try:
        _check_shape(path, kind)
        with inert_globals(_log_types()):
            content = torch.load(
                path, map_location=map_location, weights_only=True
            )
        return _with_logs(content)
    except Exception as error:  # damaged pickles raise anything at all
        raise _translated(
            path, error, hint='Continue from a file that this project wrote.'
        ) from error


def _with_logs(content: Any) -> Any:
    """A run's checkpoint with mmengine's own logs in it."""
    hub = content.get('message_hub') if isinstance(content, dict) else None
    logs = hub.get('log_scalars') if isinstance(hub, dict) else None
    if isinstance(hub, dict) and isinstance(logs, dict):
        hub['log_scalars'] = OrderedDict(
            (name, log.real() if isinstance(log, _Buffer) else log)
            for name, log in logs.items()
        )
    return content


def file_sha256(path: PathLike) -> str:
    """Hash of a checkpoint's bytes; of a folder's, of the weights alone.

    Of weights in several files it is the hash of their names and hashes.
    """
    path = Path(path)
    if not index_of(path):
        return sha256(path)
    files = sorted(weight_files(path))
    if len(files) == 1:
        return sha256(files[0])
    lines = ''.join(f'{sha256(file)}  {file.name}\n' for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_shards(path: Path, trust: bool) -> dict[str, Any]:
    """The weights that transformers saved, from every file of a folder."""
    tensors: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for file, names in weight_files(path).items():
        part = _read_file(file, kind_of(file, part=True), trust)
        if not isinstance(part, Mapping):
            raise UserError(f'{file} holds no tensors by name')
        if {'metadata', 'state_dict'} == set(part):  # of safetensors
            metadata, part = part['metadata'], part['state_dict']
        wanted = list(part) if names is None else names
        missing = [name for name in wanted if name not in part]
        if missing:
            raise UserError(
                f'{file} lacks {len(missing)} tensors that the index puts '
                f'there, the first is {_line(missing[0])}: copy or download '
                'it again'
            )
        tensors.update({name: part[name] for name in wanted})
    return dict(state_dict=tensors, metadata=metadata)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from ssl_bench.checkpoints.backbone import read_safetensors

    tensors, metadata = read_safetensors(path)
    return dict(state_dict=tensors, metadata=metadata)


def _check_shape(path: PathLike, kind: str) -> None:
    """Measure the pickles of a file before they are read."""
    if kind == 'zip':
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith('data.pkl'):
                    with archive.open(name) as stream:
                        pickle_shape.measure(stream)
        return
    # torch's older serialisation: number, version, system, content, storages
    with open(path, 'rb') as file:
        for _ in range(5 if kind == 'legacy' else 1):
            pickle_shape.measure(file)


def _read_pickle(path: PathLike, trust: bool) -> Any:
    unpickler = pickle.Unpickler if trust else ArrayUnpickler
    with open(path, 'rb') as file:
        return unpickler(file, encoding='latin1').load()


def _read_torch(path: PathLike, kind: str, trust: bool) -> Any:
    import torch

    with inert_globals():
        return torch.load(
            path,
            map_location='cpu',
            weights_only=not trust,
            mmap=kind == 'zip',
        )


def _line(text: str) -> str:
    """A text from a file on one line, safe to show on a terminal."""
    return one_line(printable(text))


def _refusal(path: PathLike, name: str, hint: str) -> UserError:
    return UserError(
        f'{path} wants to run {_line(name)}, which is not on the list of '
        f'harmless types, so it was not read. {hint}'
    )


def _translated(path: PathLike, error: Exception, hint: str) -> UserError:
    """One sentence for what torch and pickle say in many.

    Args:
        path: The file.
        error (Exception): What was raised.
        hint (str): What to do about a class that was refused; empty where
            none is refused.
    """
    if isinstance(error, UserError):
        return error
    text = str(error)
    if isinstance(error, pickle_shape.Excess):
        return UserError(
            f'{path} was not read: {text}, more than any checkpoint needs'
        )
    found = re.search(r'GLOBAL (\S+)', text) if hint else None
    if found:
        return _refusal(path, found[1], hint)
    if isinstance(error, MemoryError) or 'allocate memory' in text:
        return UserError(
            f'{path} asks for more memory than this machine has: it is '
            'damaged, or too large for it'
        )
    if isinstance(error, EOFError) or _ENDED.search(text):
        return cut_short(path)
    # torch puts advice of its own around the reason
    reason = re.search(r'WeightsUnpickler error: (.+)', text)
    first = reason[1] if reason else text.partition('\n')[0]
    if first.startswith('Weights only load failed'):
        first = 'its pickle is damaged'
    return UserError(
        f'{path} cannot be read as a checkpoint: '
        f'{_line(first) or type(error).__name__}'
    )


_ENDED = re.compile(
    r'PytorchStreamReader|unexpected EOF|ran out of input|truncated|'
    r'file read failed|unexpectedly|file not found|not enough bytes|'
    r'expected \d+ bytes|pickle exhausted|no newline found',
    re.IGNORECASE,
)
