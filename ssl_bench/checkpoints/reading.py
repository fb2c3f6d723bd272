"""Files to plain tensors: any container, and no code from inside it."""

import codecs
import importlib
import pickle
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.files import sha256

PathLike = str | Path
TRUST = (
    'If you trust where the file comes from, add --trust (it runs code '
    'from the file)'
)


class Inert:
    """In place of an object of a class that a weights file may mention.

    It keeps what the pickle would have given to the class and runs nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _ordered(*args: Any) -> OrderedDict[Any, Any]:
    """In place of a dict subclass made by a call, such as defaultdict."""
    return OrderedDict()


# Classes that honest official files hold next to their tensors. None of them
# is imported or run: each becomes an `Inert` or a plain dict.
_INERT = """
argparse.Namespace
numpy.core.multiarray.scalar numpy._core.multiarray.scalar
numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct
numpy.ndarray numpy.dtype
pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath
pathlib.PurePosixPath pathlib.PureWindowsPath pathlib._local.PosixPath
pathlib._local.WindowsPath
datetime.datetime datetime.date datetime.timedelta
mmengine.logging.history_buffer.HistoryBuffer
omegaconf.dictconfig.DictConfig omegaconf.listconfig.ListConfig
omegaconf.base.ContainerMetadata omegaconf.base.Metadata
omegaconf.nodes.AnyNode omegaconf.nodes.StringNode
omegaconf.nodes.IntegerNode omegaconf.nodes.FloatNode
omegaconf.nodes.BooleanNode typing.Any
builtins.list builtins.dict builtins.int builtins.float builtins.str
builtins.bool builtins.tuple builtins.getattr
""".split()
_DICTS = """
collections.defaultdict
mmengine.config.config.ConfigDict mmcv.utils.config.ConfigDict
vissl.utils.hydra_config.AttrDict
lightning_fabric.utilities.data.AttributeDict
lightning.fabric.utilities.data.AttributeDict
pytorch_lightning.utilities.parsing.AttributeDict
""".split()


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
        **dict.fromkeys(_INERT, Inert),
        **dict.fromkeys(_DICTS, _ordered),
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
            'numpy.ndarray': np.ndarray,
            'numpy.dtype': np.dtype,
            '_codecs.encode': _latin1,
        }
        for package in ('numpy.core', 'numpy._core'):
            known[f'{package}.multiarray._reconstruct'] = (
                multiarray._reconstruct
            )
            known[f'{package}.multiarray.scalar'] = multiarray.scalar
        if f'{module}.{name}' not in known:
            raise _Refused(f'{module}.{name}')
        return known[f'{module}.{name}']


class _Refused(Exception):
    """A pickle asked for a class that is not on the list."""


def _latin1(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes; other codecs are refused."""
    if encoding not in ('latin1', 'latin-1'):
        raise _Refused(f'_codecs.encode with {encoding!r}')
    return codecs.encode(text, 'latin-1')


def kind_of(path: PathLike) -> str:
    """Tell a file's container from its first bytes, not from its name.

    Returns:
        str: zip, legacy or pickle (torch's two serialisations and a plain
        pickle), safetensors, or folder.

    Raises:
        UserError: It is none of them, with what it looks like instead.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _folder_kind(path)
        with open(path, 'rb') as file:
            head = file.read(64)
    except FileNotFoundError:
        raise UserError(f'no such checkpoint: {path}') from None
    except PermissionError:
        raise UserError(f'no permission to read {path}') from None
    except OSError as error:
        raise UserError(f'cannot read {path}: {error}') from None
    if not head:
        raise UserError(f'{path} is empty: download or copy it again')
    if head[:4] == b'PK\x03\x04':
        return 'zip'
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < 1 << 27:
        return 'safetensors'
    if head[:1] == b'\x80' or head[:1] in b'}](c':
        # torch's older serialisation begins with a pickled magic number
        magic = bytes.fromhex('6cfc9c46f9206aa85019')
        return 'legacy' if magic in head else 'pickle'
    raise UserError(f'{path} is not a checkpoint: {_look(head)}')


def _folder_kind(path: Path) -> str:
    if (path / 'config.json').exists() and (
        path / 'model.safetensors'
    ).exists():
        return 'folder'
    raise UserError(
        f'{path} is a folder, and not one that transformers saved '
        '(config.json and model.safetensors): give the checkpoint file'
    )


def _look(head: bytes) -> str:
    """Say what a file that holds no weights looks like."""
    text = head.lstrip().lower()
    if text.startswith((b'<!doctype', b'<html', b'<?xml', b'<')):
        return (
            'it is a web page, so its download failed; open the address '
            'in a browser to see why'
        )
    if text.startswith(b'version https://git-lfs'):
        return 'it is a git-lfs pointer; run `git lfs pull` for the file'
    if head.startswith(b'\x1f\x8b'):
        return 'it is compressed; run gunzip first'
    return (
        f'its first bytes are {head[:8]!r}; expected a .pth, .pt, .ckpt, '
        '.safetensors or .pkl file'
    )


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
    if kind in ('safetensors', 'folder'):
        return _read_safetensors(Path(path), kind)
    try:
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
    """Hash of a checkpoint's bytes; of the weights alone for a folder."""
    path = Path(path)
    return sha256(path / 'model.safetensors' if path.is_dir() else path)


def _read_safetensors(path: Path, kind: str) -> dict[str, Any]:
    from ssl_bench.checkpoints.backbone import read_safetensors

    file = path / 'model.safetensors' if kind == 'folder' else path
    tensors, metadata = read_safetensors(file)
    return dict(state_dict=tensors, metadata=metadata)


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
    """The first line of a text from a file, safe to show on a terminal."""
    first = text.splitlines()[0] if text else ''
    return ''.join(c if c.isprintable() else '?' for c in first)[:200]


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
    text = str(error)
    found = re.search(r'GLOBAL (\S+)', text) if hint else None
    if found:
        return _refusal(path, found[1], hint)
    first = _line(text) or type(error).__name__
    if isinstance(error, EOFError) or re.search(
        r'PytorchStreamReader|unexpected EOF|ran out of input|truncated|'
        r'file read failed|unexpectedly|file not found',
        text,
        re.I,
    ):
        return UserError(
            f'{path} is truncated or damaged: copy or download '
            f'it again ({first})'
        )
    return UserError(f'{path} cannot be read as a checkpoint: {first}')
