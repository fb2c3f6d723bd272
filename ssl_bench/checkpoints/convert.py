"""Any checkpoint to a verified backbone."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

import ssl_bench
from ssl_bench.checkpoints.architectures import (
    Architecture,
    ViT,
    architecture_of,
    describe,
    recognise,
)
from ssl_bench.checkpoints.backbone import (
    GROUPS,
    Backbone,
    is_backbone,
    read_backbone,
)
from ssl_bench.checkpoints.by_name import find_public, is_public
from ssl_bench.checkpoints.complete import verify, verify_timm
from ssl_bench.checkpoints.conventions import (
    check_convention,
    convention_of_author,
)
from ssl_bench.checkpoints.encoder import (
    Encoder,
    find_encoder,
    leave_aside,
    optional_groups,
)
from ssl_bench.checkpoints.formats import FORMATS
from ssl_bench.checkpoints.hf_folders import config_of
from ssl_bench.checkpoints.provenance import (
    convention_of,
    epochs_of,
    from_mmengine,
    heads_of,
    stamped_meta,
)
from ssl_bench.checkpoints.reading import file_sha256, read_object
from ssl_bench.checkpoints.timm_families import FAMILIES, Mapped
from ssl_bench.checkpoints.timm_families.transformers import plain_vit
from ssl_bench.checkpoints.timm_families.vit import from_vit, is_msn
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.checkpoints.timm_reader import (
    TimmEncoder,
    facts_of,
    family_names,
    find_timm,
    read_timm,
)
from ssl_bench.checkpoints.values import check_finite
from ssl_bench.checkpoints.verify import Report
from ssl_bench.checkpoints.wrappers import Unwrapped, unwrap
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.header_fields import check_fields, give_fields, tidy

State = dict[str, Tensor]


def to_backbone(
    checkpoint: str | Path,
    from_format: str | None = None,
    arch: str | None = None,
    branch: str | None = None,
    trust: bool = False,
    prefix: str | None = None,
    drop: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
    allow_nan: bool = False,
) -> Backbone:
    """Read any supported checkpoint and prove that its encoder is whole.

    Args:
        checkpoint (str | Path): The file, or a published name
            (`by_name.find_public`).
        from_format (str, optional): A name of `formats.FORMATS` or of a
            family; recognised from the tensors' names when None.
        arch (str, optional): What it must be, for instance r50 or vitb16.
        branch (str, optional): ``online`` or ``target``, the momentum copy;
            None for the one that the authors evaluate.
        trust (bool): See `reading.read_object`.
        prefix (str, optional): The prefix of the encoder's names,
            instead of the format's own.
        drop (Sequence[str]): Beginnings of encoder names to leave aside.
        meta (Mapping, optional): Header fields (`header_fields.FIELDS`) that
            the user knows better than the file.
        allow_nan (bool): Take weights with NaN or infinite values.

    Returns:
        Backbone: Verified; what `convert` reports is logged.

    Raises:
        UserError: The file cannot be read, fits no format or several, or its
            encoder is not complete, or has NaN or infinite values.
    """
    backbone, report = convert(
        checkpoint,
        from_format,
        arch,
        branch,
        trust,
        prefix,
        drop,
        meta,
        allow_nan,
    )
    log = logging.getLogger(__name__)
    log.info('%s: %s, %s', checkpoint, backbone.arch, report.summary())
    for text in (*report.notes, *report.warnings):
        log.warning('%s: %s', checkpoint, text)
    return backbone


def convert(
    checkpoint: str | Path,
    from_format: str | None = None,
    arch: str | None = None,
    branch: str | None = None,
    trust: bool = False,
    prefix: str | None = None,
    drop: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
    allow_nan: bool = False,
) -> tuple[Backbone, Report]:
    """`to_backbone`, and its report."""
    if branch not in (None, 'online', 'target'):
        raise unknown_name('branch', branch, ('online', 'target'))
    known = {row.name for row in FORMATS} | set(family_names())
    if from_format is not None and from_format not in known:
        raise unknown_name('checkpoint format', from_format, known)
    meta = check_fields(meta or {})
    named = find_public(str(checkpoint)) if is_public(checkpoint) else None
    checkpoint = named.path if named else checkpoint
    content = read_object(checkpoint, trust)
    if is_backbone(content):
        return _reread(checkpoint, arch, meta, allow_nan)
    file = unwrap(content, checkpoint, branch, prefix)
    file.config = config_of(checkpoint) | (named.config if named else {})
    method = meta.get('method') or (named.method if named else '')
    encoder, groups, mapped = _find(
        file, content, checkpoint, from_format, drop, arch, method
    )
    if mapped is None:
        architecture, report = verify(
            encoder.state, arch, checkpoint, encoder.origin
        )
    else:
        architecture = mapped.net
        report = verify_timm(mapped, arch, checkpoint, encoder.origin)
    report.notes = [*file.notes, *encoder.notes]
    report.dropped = dict(Counter(name.split('.')[0] for name in encoder.rest))
    kept = architecture.shapes()
    state = {
        name: tensor
        for name, tensor in encoder.state.items()
        if name in kept or name.endswith('num_batches_tracked')
    }
    backbone = Backbone(state, **groups)
    check_values(backbone, report, checkpoint, allow_nan)
    backbone.meta = stamped_meta(content, backbone, report) or _meta(
        content, file, encoder, architecture, checkpoint
    )
    backbone.meta = tidy(backbone.meta)
    if named:
        named.describe(backbone)
    give_fields(backbone.meta, meta, checkpoint)
    check_convention(backbone.meta)
    return backbone, report


def _find(
    file: Unwrapped,
    content: Any,
    path: Any,
    from_format: str | None,
    drop: Sequence[str],
    arch: str | None,
    method: str,
) -> tuple[Encoder, dict[str, State], Mapped | None]:
    """The encoder of a file, what transfers with it, and its network.

    The families of timm's networks are asked first: each has names that no
    ResNet and no plain ViT has. What none of them knows is a ResNet or a
    ViT, and a ViT that the plain one cannot express is a network of timm's
    too (`from_vit`).

    Returns:
        tuple: The encoder without heads; InsLoc-FPN's groups; timm's
        network, or None for a ResNet or a plain ViT.
    """
    found = find_timm(file, content, path, from_format, drop, arch)
    if found:
        if file.wrapper == 'dino' and found.mapped.last_epoch is None:
            found.mapped.last_epoch = 0  # DINO's count, whatever the network
        return _encoder_of(found), {}, found.mapped
    if from_format in family_names():
        raise UserError(
            f'{path} holds no {from_format}: leave --from away to have it '
            'recognised by its names'
        )
    encoder = find_encoder(file, path, from_format)
    state, dropped = leave_aside(encoder.state, drop, path)
    groups = optional_groups(encoder)
    encoder.rest.update(dropped)
    names = {**encoder.rest, **state}
    facts = facts_of(content, path, names, file.config, arch, method)
    family = next((f for f in FAMILIES if f.fits(state)), None)
    if family:
        # names of another program, which are timm's only now
        found = read_timm(family, state, facts)
        found.prefix = encoder.prefix
        found.rest.update(encoder.rest)
        return _encoder_of(found, encoder), {}, found.mapped
    architecture = recognise(state)
    mapped, config = None, file.config
    if isinstance(architecture, ViT) and encoder.source == 'hf' and config:
        mapped, notes = plain_vit(state, facts)
        encoder.notes += notes
    elif isinstance(architecture, ViT):
        heads = _heads(encoder, content, file)
        if encoder.source == 'hf' and architecture.heads:
            encoder.notes.append(
                f'no config.json says the heads: {architecture.heads}, as is '
                f'usual for a width of {architecture.width}'
            )
        mapped = from_vit(architecture, state, facts, heads)
    encoder.state = state if mapped is None else mapped.state
    if mapped:
        encoder.notes += mapped.notes
    return encoder, groups, mapped


def _encoder_of(found: TimmEncoder, named: Encoder | None = None) -> Encoder:
    """What a family found, as the encoder of any format."""
    mapped = found.mapped
    return Encoder(
        named.source if named else found.source,
        mapped.method or found.method,
        found.prefix,
        mapped.state,
        found.rest,
        named.last_epoch if named else mapped.last_epoch,
        notes=[*(named.notes if named else ()), *mapped.notes],
    )


def _reread(
    path: str | Path,
    arch: str | None,
    meta: Mapping[str, Any],
    allow_nan: bool,
) -> tuple[Backbone, Report]:
    """A backbone file again, its header kept."""
    backbone = read_backbone(path)
    found = architecture_of(backbone)
    origin = 'a backbone file'
    if isinstance(found, TimmNet):
        report = verify_timm(Mapped(found, backbone.state), arch, path, origin)
    else:
        _, report = verify(backbone.state, arch, path, origin)
    check_values(backbone, report, path, allow_nan)
    give_fields(backbone.meta, meta, path)
    check_convention(backbone.meta)
    return backbone, report


def _heads(encoder: Encoder, content: Any, file: Unwrapped) -> int | None:
    """Attention heads of a ViT, where the file's recipe says them."""
    if file.wrapper == 'mmengine':
        return heads_of(from_mmengine(content['meta'])[2])
    heads = file.config.get('num_attention_heads')
    if encoder.source == 'hf' and type(heads) is int and heads > 0:
        return heads
    return 12 if encoder.source == 'mocov3' else None  # its ViT-S too


def check_values(
    backbone: Backbone, report: Report, path: Any, allow_nan: bool
) -> None:
    """Refuse NaN and infinity in what transfers, or warn of them."""
    for group in GROUPS:
        report.warnings += check_finite(backbone.group(group), path, allow_nan)


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
    file: Unwrapped,
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
    if file.wrapper == 'mmengine':
        found, sources, config = from_mmengine(content['meta'])
        fields.update(found)
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
    heads = _heads(encoder, content, file)
    if isinstance(architecture, ViT) and heads:
        architecture = replace(architecture, heads=heads)
    if isinstance(content, Mapping) and is_msn(content):
        fields['method'], sources['method'] = 'MSN', 'prototypes'
    sources.update(
        arch='names and shapes of the tensors',
        arch_args='the same',
        source_format=f'names of the tensors, prefix {encoder.prefix!r}'
        + (f' in {file.key!r}' if file.key else ''),
        source_sha256='bytes of the file',
    )
    if notes := [*file.notes, *encoder.notes]:
        sources['tensors'] = '; '.join(notes)
    return dict(
        fields,
        arch=architecture.name,
        arch_args=describe(architecture),
        source_format=encoder.source,
        source_sha256=file_sha256(path),
        ssl_bench_version=ssl_bench.__version__,
        sources=sources,
    )
