"""The backbone file: the encoder that transfers, and where it came from.

A safetensors file whose header says method, architecture and source. The
same content gives the same bytes: tensors are sorted by name, the header's
fields too, and nothing depends on time or machine.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.files import atomic_path

SUFFIX = '.backbone.safetensors'
FORMAT = 'ssl_bench.backbone/1'
GROUPS = ('backbone', 'neck', 'roi_head')
DTYPES = {
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
        return self.meta['arch']

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
    return memoryview(flat.view(torch.uint8).numpy())


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Digest of names, types, shapes and values, in the order of names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        head = f'{name} {dtype_name(tensor)} {list(tensor.shape)}\n'
        digest.update(head.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def encode_safetensors(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> Iterator:
    """Yield the chunks of a safetensors file, always in the same order.

    The library's own writer leaves the order of ``metadata`` to a hash table
    seeded anew in each process.
    """
    header: dict[str, Any] = {'__metadata__': dict(sorted(metadata.items()))}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = dict(
            dtype=dtype_name(tensor),
            shape=list(tensor.shape),
            data_offsets=[offset, end],
        )
        offset = end
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)  # the data start at a multiple of 8
    yield struct.pack('<Q', len(text))
    yield text
    for tensor in tensors.values():
        yield _bytes(tensor)


def write_safetensors(
    path: str | Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file, whole or not at all, always the same bytes."""
    with atomic_path(path) as part, open(part, 'wb') as file:
        for chunk in encode_safetensors(tensors, metadata):
            file.write(chunk)


def write_backbone(path: str | Path, backbone: Backbone) -> None:
    """Write a backbone file, whole or not at all.

    Args:
        path (str | Path): Usually ends in ``.backbone.safetensors``.
        backbone (Backbone): What to write.

    Raises:
        UserError: The file cannot be written.
    """
    tensors = backbone.tensors()
    header = dict(
        format=FORMAT,
        tensors_sha256=tensors_sha256(tensors),
        **{
            key: value
            if isinstance(value, str)
            else json.dumps(value, sort_keys=True)
            for key, value in backbone.meta.items()
        },
    )
    write_safetensors(path, tensors, header)


def read_backbone(path: str | Path) -> Backbone:
    """Read a backbone file back, bit for bit.

    Raises:
        UserError: There is no such file, it is not a backbone file, or its
            values are not those that were written.
    """
    tensors, header = read_safetensors(path)
    if header.get('format') != FORMAT:
        raise UserError(
            f'{path} is not a backbone file: its header says format '
            f'{header.get("format")!r}, expected {FORMAT!r}. Make one with: '
            f'ssl-bench convert {path} OUT{SUFFIX}'
        )
    digest = tensors_sha256(tensors)
    if digest != header['tensors_sha256']:
        raise UserError(
            f'{path} is damaged: its tensors hash to {digest[:12]}, its '
            f'header says {header["tensors_sha256"][:12]}. Convert the '
            'original checkpoint again.'
        )
    backbone = Backbone({}, meta=_parse_meta(header))
    for name, tensor in tensors.items():
        group, rest = name.split('.', 1)
        backbone.group(group)[rest] = tensor
    return backbone


def read_header(path: str | Path) -> dict[str, Any]:
    """The fields of a backbone file, without its tensors.

    Raises:
        UserError: No whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework='pt') as file:
            return _parse_meta(file.metadata() or {})
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f'{path} cannot be read as a backbone file: {error}'
        ) from error


def is_backbone(content: Any) -> bool:
    """Whether what `reading.read_object` gave is a backbone file's."""
    return (
        isinstance(content, dict)
        and isinstance(content.get('metadata'), dict)
        and content['metadata'].get('format') == FORMAT
    )


def read_safetensors(
    path: str | Path,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file: its tensors and its header's fields.

    Raises:
        UserError: No such file, or not a whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework='pt') as file:
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except FileNotFoundError:
        raise UserError(f'no such file: {path}') from None
    except (OSError, SafetensorError) as error:
        raise UserError(
            f'{path} cannot be read as safetensors: {error}'
        ) from error


_TEXT = (
    'method',
    'variant',
    'arch',
    'pretrain_data',
    'config',
    'source_format',
    'source_sha256',
    'ssl_bench_version',
)


def _parse_meta(header: Mapping[str, str]) -> dict[str, Any]:
    """Undo the JSON of `write_backbone`; text fields stay text."""
    return {
        key: value if key in _TEXT else json.loads(value)
        for key, value in header.items()
        if key not in ('format', 'tensors_sha256')
    }
