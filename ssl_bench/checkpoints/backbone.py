"""The backbone file: the encoder that transfers, and where it came from.

A safetensors file whose header says method, architecture and source. The
same content gives the same bytes, in every process: the header's metadata has
one key, whose value is one JSON object with sorted fields.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.checkpoints.containers import kind_of
from ssl_bench.checkpoints.timm_nets import TimmNet, from_header
from ssl_bench.errors import UserError, one_line, printable
from ssl_bench.files import atomic_path
from ssl_bench.header_fields import NUMBERS, SUFFIX, cost_of, tidy

KEY = 'ssl_bench'  # of the metadata: the JSON text with every field
FORMAT = 'ssl_bench.backbone/2'
FORMAT_1 = 'ssl_bench.backbone/1'  # one key of the metadata for each field
GROUPS = ('backbone', 'neck', 'roi_head')
# safetensors' names, which the digest of the tensors contains
DTYPES: dict[torch.dtype, str] = {
    torch.float64: 'F64',
    torch.float32: 'F32',
    torch.float16: 'F16',
    torch.bfloat16: 'BF16',
    torch.int64: 'I64',
    torch.int32: 'I32',
    torch.int16: 'I16',
    torch.int8: 'I8',
    torch.uint8: 'U8',
    torch.bool: 'BOOL',
}


@dataclass
class Backbone:
    """An encoder, verified and named.

    Args:
        state (dict[str, Tensor]): Torchvision's names for a ResNet without
            ``fc``, timm's for a ViT without ``head``.
        neck (dict[str, Tensor]): InsLoc-FPN's ``lateral_convs.*`` and
            ``fpn_convs.*``, or empty.
        roi_head (dict[str, Tensor]): InsLoc-FPN's ``bbox_head.*``, or empty.
        meta (dict): method, variant, arch, arch_args, pretrain_data,
            pretrain_epochs, pretrain_batch, config, source_format,
            source_sha256, ssl_bench_version; ``sources`` says where each
            came from.
    """

    state: dict[str, Tensor]
    neck: dict[str, Tensor] = field(default_factory=dict)
    roi_head: dict[str, Tensor] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def arch(self) -> str:
        """The architecture's name, for instance resnet18-w16."""
        arch: str = self.meta['arch']
        return arch

    def group(self, name: str) -> dict[str, Tensor]:
        """The tensors of ``backbone``, ``neck`` or ``roi_head``."""
        return self.state if name == 'backbone' else getattr(self, name)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under its group's prefix, sorted by name."""
        named = {
            f'{group}.{name}': tensor
            for group in GROUPS
            for name, tensor in self.group(group).items()
        }
        return dict(sorted(named.items()))


def dtype_name(tensor: Tensor) -> str:
    """The type's name in safetensors.

    Raises:
        UserError: A type that no encoder is stored in.
    """
    if tensor.dtype not in DTYPES:
        raise UserError(
            f'weights of type {tensor.dtype} are not supported; '
            'convert them to float16, bfloat16 or float32'
        )
    return DTYPES[tensor.dtype]


def _bytes(tensor: Tensor) -> memoryview:
    """A tensor's values as little-endian bytes, without a copy."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and values, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        head = f'{name} {dtype_name(tensor)} {list(tensor.shape)}\n'
        digest.update(head.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _separate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU that share no memory, for the library."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        address = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return result


def write_safetensors(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file, whole or not at all, always the same bytes.

    Raises:
        UserError: The file cannot be written, or reads back otherwise.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic_path(path) as part:
        try:
            save_file(_separate(tensors), part, dict(metadata))
        except SafetensorError as error:
            raise OSError(str(error)) from error
        if len(metadata) > 1:
            _sort_metadata(part)
        check_written(path, read_safetensors(part)[0], tensors)


def check_written(
    path: str | Path,
    found: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> None:
    """Compare what a new file gives back with what was written.

    Args:
        path (str | Path): The file, for messages.
        found (Mapping[str, Tensor]): What it gives back.
        tensors (Mapping[str, Tensor]): What was written.

    Raises:
        UserError: They differ, bit for bit.
    """
    if set(found) != set(tensors) or any(
        tensor.dtype != found[name].dtype
        or tensor.shape != found[name].shape
        or _bytes(tensor) != _bytes(found[name])
        for name, tensor in tensors.items()
    ):
        raise UserError(
            f'{path}: what was written reads back otherwise, so it was '
            'removed. The disk or the memory of this machine may be faulty.'
        )


def _sort_metadata(path: Path) -> None:
    """Sort the metadata in the header of a safetensors file.

    The library takes the order from a hash table with a random seed, so two
    keys give one of two files. The sorted header has the same length.
    """
    with open(path, 'r+b') as file:
        size = int.from_bytes(file.read(8), 'little')
        header = json.loads(file.read(size))
        header['__metadata__'] = dict(sorted(header['__metadata__'].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(',', ':'))
        file.seek(8)
        file.write(text.encode().ljust(size))


def write_backbone(path: str | Path, backbone: Backbone) -> None:
    """Write a backbone file, whole or not at all.

    Args:
        path (str | Path): Usually ends in ``.backbone.safetensors``.
        backbone (Backbone): What to write.

    Raises:
        UserError: The file cannot be written.
    """
    tensors = backbone.tensors()
    fields = dict(
        backbone.meta, format=FORMAT, tensors_sha256=tensors_sha256(tensors)
    )
    write_safetensors(path, tensors, {KEY: json.dumps(fields, sort_keys=True)})


def read_backbone(path: str | Path) -> Backbone:
    """Read a backbone file back, bit for bit.

    Raises:
        UserError: There is no such file, it is not a backbone file, or its
            values are not those that were written.
    """
    tensors, metadata = read_safetensors(path)
    fields = _fields(metadata)
    if fields.pop('format', None) not in (FORMAT, FORMAT_1):
        raise UserError(
            f'{path} is not a backbone file: its header does not say format '
            f'{FORMAT!r}. Make one with: '
            f'ssl-bench convert {path} OUT{SUFFIX}'
        )
    expected = str(fields.pop('tensors_sha256', ''))
    digest = tensors_sha256(tensors)
    if digest != expected:
        raise UserError(
            f'{path} is damaged: its tensors hash to {digest[:12]}, its '
            f'header says {expected[:12]}. Convert the '
            'original checkpoint again.'
        )
    backbone = Backbone({}, meta=fields)
    for name, tensor in tensors.items():
        group, _, rest = name.partition('.')
        if group not in GROUPS:
            raise UserError(f'{path}: {printable(name)} is in no group')
        backbone.group(group)[rest] = tensor
    return backbone


def read_header(path: str | Path) -> dict[str, Any]:
    """The fields of a backbone file, without its tensors.

    Returns:
        dict: Empty for a safetensors file that is not a backbone file.

    Raises:
        UserError: Not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    _require_file(path)
    try:
        with safe_open(str(path), framework='pt') as file:
            fields = _fields(file.metadata() or {})
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f'{path} cannot be read as a backbone file: '
            f'{one_line(printable(error))}'
        ) from error
    for name in ('format', 'tensors_sha256'):
        fields.pop(name, None)
    return fields


def is_backbone(content: Any) -> bool:
    """Whether what `reading.read_object` gave is a backbone file's."""
    return (
        isinstance(content, dict)
        and isinstance(content.get('metadata'), dict)
        and bool(_fields(content['metadata']))
    )


def read_safetensors(
    path: str | Path,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors and its header's fields.

    Raises:
        UserError: No such file, or not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    _require_file(path)
    try:
        with safe_open(str(path), framework='pt') as file:
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f'{path} cannot be read as safetensors: '
            f'{one_line(printable(error))}'
        ) from error


def _require_file(path: str | Path) -> None:
    """Check that a file can be opened and has the length that it says.

    Raises:
        UserError: It is not a safetensors file, or its end is missing.
    """
    kind = kind_of(path, part=True)
    if kind != 'safetensors':
        raise UserError(
            f'{path} cannot be read as safetensors: it is of the kind {kind}'
        )


# Fields of format 1 that are plain text; the others are JSON.
_TEXT_1 = (
    'format',
    'tensors_sha256',
    'method',
    'variant',
    'arch',
    'pretrain_data',
    'config',
    'source_format',
    'source_sha256',
    'ssl_bench_version',
)


def _fields(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Every field in the header of a backbone file; empty for other files.

    Raises:
        UserError: It says that it is one and lacks what each of them has.
    """
    try:
        if metadata.get('format') == FORMAT_1:
            return checked_fields(
                {
                    key: value if key in _TEXT_1 else json.loads(value)
                    for key, value in metadata.items()
                }
            )
        fields = json.loads(metadata.get(KEY, ''))
    except (ValueError, RecursionError):
        return {}
    # an exported file has its origin under this key, without a format
    if isinstance(fields, dict) and fields.get('format') == FORMAT:
        return checked_fields(fields)
    return {}


def checked_fields(fields: Any) -> dict[str, Any]:
    """The fields of a backbone file, which others may have written.

    Raises:
        UserError: They are not what every backbone file has.
    """
    fields = tidy(fields)
    if not isinstance(fields, dict):
        raise _damaged_header()
    texts = [fields.get(key) for key in _TEXT_1]
    numbers = [fields.get(key) for key in NUMBERS]
    args = fields.get('arch_args')
    if not (
        all(isinstance(text, (str, type(None))) for text in texts)
        and all(type(n) in (int, float, type(None)) for n in numbers)
        and isinstance(fields.get('arch'), str)
        and isinstance(args, dict)
        and isinstance(fields.get('sources', {}), dict)
    ):
        raise _damaged_header()
    if args.get('family') == 'vit' and type(args.get('heads')) not in (
        int,
        type(None),
    ):
        raise _damaged_header()
    if args.get('family') == TimmNet.family:
        from_header(args)
    if fields.get('cost') is not None:
        try:
            fields['cost'] = cost_of(fields['cost'])
        except ValueError as error:
            raise _damaged_header() from error
    return fields


def _damaged_header() -> UserError:
    return UserError(
        'the header of a backbone file is damaged: it lacks what each of '
        'them says. Convert the original checkpoint again.'
    )
