"""Any checkpoint to a verified backbone."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

import ssl_bench
from ssl_bench.checkpoints.arch_names import canonical_arch
from ssl_bench.checkpoints.architectures import (
    Architecture,
    ViT,
    describe,
    recognise,
)
from ssl_bench.checkpoints.backbone import Backbone, is_backbone, read_backbone
from ssl_bench.checkpoints.conventions import (
    check_convention,
    convention_of_author,
)
from ssl_bench.checkpoints.encoder import (
    Encoder,
    find_encoder,
    optional_groups,
    split_heads,
)
from ssl_bench.checkpoints.formats import unwrap
from ssl_bench.checkpoints.provenance import (
    convention_of,
    epochs_of,
    from_mmengine,
    heads_of,
    stamped_meta,
)
from ssl_bench.checkpoints.reading import file_sha256, read_object
from ssl_bench.checkpoints.verify import Report, compare, suspicious
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.header_fields import check_fields, give_fields

State = dict[str, Tensor]


def to_backbone(
    checkpoint: str | Path,
    from_format: str | None = None,
    arch: str | None = None,
    branch: str = 'online',
    trust: bool = False,
    prefix: str | None = None,
    drop: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> Backbone:
    """Read any supported checkpoint and prove that its encoder is whole.

    Args:
        checkpoint (str | Path): The file.
        from_format (str, optional): A name of `formats.FORMATS`; recognised
            from the tensors' names when None.
        arch (str, optional): What it must be, for instance r50 or vitb16.
        branch (str): ``online`` or ``target``, the momentum copy.
        trust (bool): See `reading.read_object`.
        prefix (str, optional): The prefix of the encoder's names,
            instead of the format's own.
        drop (Sequence[str]): Beginnings of encoder names to leave aside.
        meta (Mapping, optional): Header fields (`header_fields.FIELDS`) that
            the user knows better than the file.

    Returns:
        Backbone: Verified; what `convert` reports is logged.

    Raises:
        UserError: The file cannot be read, fits no format or several, or its
            encoder is not complete.
    """
    backbone, report = convert(
        checkpoint, from_format, arch, branch, trust, prefix, drop, meta
    )
    log = logging.getLogger(__name__)
    log.info('%s: %s, %s', checkpoint, backbone.arch, report.summary())
    for text in report.warnings:
        log.warning('%s: %s', checkpoint, text)
    return backbone


def convert(
    checkpoint: str | Path,
    from_format: str | None = None,
    arch: str | None = None,
    branch: str = 'online',
    trust: bool = False,
    prefix: str | None = None,
    drop: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
) -> tuple[Backbone, Report]:
    """`to_backbone`, and its report."""
    if branch not in ('online', 'target'):
        raise unknown_name('branch', branch, ('online', 'target'))
    meta = check_fields(meta or {})
    content = read_object(checkpoint, trust)
    if is_backbone(content):
        return _reread(checkpoint, arch, meta)
    found, wrapper = unwrap(content, checkpoint)
    encoder = find_encoder(
        found, wrapper, checkpoint, from_format, branch, prefix
    )
    state, dropped = split_heads(encoder.state, drop)
    groups = optional_groups(encoder)
    architecture, report = verify(state, arch, checkpoint, encoder.origin)
    report.dropped = dict(
        Counter(name.split('.')[0] for name in (*dropped, *encoder.rest))
    )
    kept = architecture.shapes()
    state = {
        name: tensor
        for name, tensor in state.items()
        if name in kept or name.endswith('num_batches_tracked')
    }
    backbone = Backbone(state, **groups)
    backbone.meta = stamped_meta(content, backbone, report) or _meta(
        content, wrapper, encoder, architecture, checkpoint
    )
    give_fields(backbone.meta, meta, checkpoint)
    check_convention(backbone.meta)
    return backbone, report


def _reread(
    path: str | Path, arch: str | None, meta: Mapping[str, Any]
) -> tuple[Backbone, Report]:
    """A backbone file again, its header kept."""
    backbone = read_backbone(path)
    _, report = verify(backbone.state, arch, path, 'a backbone file')
    give_fields(backbone.meta, meta, path)
    check_convention(backbone.meta)
    return backbone, report


def verify(
    state: State, arch: str | None, path: Any, origin: str
) -> tuple[Architecture, Report]:
    """Prove that every tensor of the architecture is there.

    Args:
        state (dict[str, Tensor]): The encoder, heads removed.
        arch (str, optional): What it must be.
        path: The file, for messages.
        origin (str): How the tensors were found, for messages.

    Raises:
        UserError: It is another architecture than asked for, or tensors are
            missing, unexpected or of another shape.
    """
    architecture = recognise(state)
    if architecture is None:
        raise UserError(
            f'{path}: the tensors of {origin} make no ResNet and no ViT'
        )
    if arch is not None and canonical_arch(arch) != architecture.key:
        raise UserError(
            f'{path} holds {architecture.name}, not {canonical_arch(arch)}: '
            'leave --arch away or give the other file'
        )
    report = compare(state, architecture.shapes())
    if not report.complete:
        raise UserError(
            f'{path} does not hold a whole {architecture.name} (read as '
            f'{origin}): {report.problems()}. If the format was guessed '
            'wrongly give --from or --prefix; parts that do not belong go '
            'with --drop'
        )
    report.warnings = suspicious(state)
    return architecture, report


def _convention(
    content: Any, encoder: Encoder, config: Mapping[str, Any]
) -> tuple[str | None, str]:
    """The header's field of that name, and where it stood."""
    if encoder.source == 'detectron2':
        return convention_of_author(content), '__author__'
    if config:
        return convention_of(config), 'meta.cfg.model.backbone.style'
    return encoder.convention, f'format {encoder.source}'


def _meta(
    content: Any,
    wrapper: str,
    encoder: Encoder,
    architecture: Architecture,
    path: str | Path,
) -> dict[str, Any]:
    """The header's fields, and where each came from."""
    fields: dict[str, Any] = dict(
        method='',
        variant='',
        pretrain_data='',
        pretrain_epochs=None,
        pretrain_batch=None,
        config='',
    )
    sources: dict[str, str] = {}
    config: Mapping[str, Any] = {}
    heads = 12 if encoder.source == 'mocov3' else None  # its ViT-S too
    if wrapper == 'mmengine':
        found, sources, config = from_mmengine(content['meta'])
        fields.update(found)
        heads = heads_of(config)
    epochs, place = epochs_of(content, encoder.last_epoch)
    if epochs is not None:
        fields['pretrain_epochs'] = epochs
        sources['pretrain_epochs'] = place
    for name in ('method', 'variant'):
        if value := getattr(encoder, name):
            fields[name] = value
            sources[name] = f'format {encoder.source}'
    convention, place = _convention(content, encoder, config)
    if convention:
        fields['convention'], sources['convention'] = convention, place
    if isinstance(architecture, ViT) and heads:
        architecture = replace(architecture, heads=heads)
    sources.update(
        arch='names and shapes of the tensors',
        arch_args='the same',
        source_format=f'names of the tensors, prefix {encoder.prefix!r}',
        source_sha256='bytes of the file',
    )
    return dict(
        fields,
        arch=architecture.name,
        arch_args=describe(architecture),
        source_format=encoder.source,
        source_sha256=file_sha256(path),
        ssl_bench_version=ssl_bench.__version__,
        sources=sources,
    )
