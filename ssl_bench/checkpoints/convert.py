"""Any checkpoint to a verified backbone."""
import logging
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from torch import Tensor

import ssl_bench
from ssl_bench.checkpoints.architectures import (Architecture, ViT,
                                                 canonical_arch, describe,
                                                 recognise)
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.formats import (MOMENTUM, Format, bare_names,
                                           detect, format_named, unwrap)
from ssl_bench.checkpoints.names import SIGNS, scheme_of, to_ours
from ssl_bench.checkpoints.provenance import from_mmengine, heads_of
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.verify import Report, compare, suspicious
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.files import sha256

State = Dict[str, Tensor]
FIELDS = ('method', 'variant', 'pretrain_data', 'pretrain_epochs',
          'pretrain_batch', 'config')
# What may stand among the encoder's names and never transfers.
HEADS = re.compile(
    r'(fc|fc_norm|heads?|classifier|pooler|lm_head|decoder_\w+|projector\w*'
    r'|projection_head|predictor\w*|prototypes|mm_\w+|mask_token|queue\w*'
    r'|pre_logits|ln2)(\.|$)')
# InsLoc-FPN's optional groups: where they stand, and what transfers of them.
GROUPS = dict(neck=r'neck(?:_k)?\.((?:lateral|fpn)_convs\..+)',
              roi_head=r'roi_head(?:_k)?\.(bbox_head\.shared_.+)')


@dataclass
class Encoder:
    """The encoder as it stood in a file.

    Args:
        source (str): The format's name, or ``raw``.
        method (str): The method that the format implies, or ''.
        prefix (str): What stood before each name.
        state (dict[str, Tensor]): In torchvision's or timm's names.
        rest (dict[str, Tensor]): The file's other tensors, names as found.
    """

    source: str
    method: str
    prefix: str
    state: State
    rest: State


def to_backbone(checkpoint: Union[str, Path],
                from_format: Optional[str] = None,
                arch: Optional[str] = None,
                branch: str = 'online',
                trust: bool = False,
                prefix: Optional[str] = None,
                drop: Sequence[str] = (),
                meta: Optional[Mapping[str, Any]] = None) -> Backbone:
    """Read any supported checkpoint and prove that its encoder is whole.

    Args:
        checkpoint (str | Path): The file.
        from_format (str, optional): A name of `formats.FORMATS`; recognised
            from the tensors' names when None.
        arch (str, optional): What it must be, for instance r50 or vitb16.
        branch (str): ``online`` or ``target``, the momentum copy.
        trust (bool): See `reading.read_object`.
        prefix (str, optional): What stands before the encoder's names,
            instead of the format's own.
        drop (Sequence[str]): Beginnings of encoder names to leave aside.
        meta (Mapping, optional): Header fields (`FIELDS`) that the user
            knows better than the file.

    Returns:
        Backbone: Verified; what `convert` reports is logged.

    Raises:
        UserError: The file cannot be read, fits no format or several, or its
            encoder is not complete.
    """
    backbone, report = convert(checkpoint, from_format, arch, branch, trust,
                               prefix, drop, meta)
    log = logging.getLogger(__name__)
    log.info('%s: %s, %s', checkpoint, backbone.arch, report.summary())
    for text in report.warnings:
        log.warning('%s: %s', checkpoint, text)
    return backbone


def convert(checkpoint: Union[str, Path],
            from_format: Optional[str] = None,
            arch: Optional[str] = None,
            branch: str = 'online',
            trust: bool = False,
            prefix: Optional[str] = None,
            drop: Sequence[str] = (),
            meta: Optional[Mapping[str, Any]] = None
            ) -> Tuple[Backbone, Report]:
    """`to_backbone`, with its report beside it."""
    if branch not in ('online', 'target'):
        raise unknown_name('branch', branch, ('online', 'target'))
    content = read_object(checkpoint, trust)
    found, wrapper = unwrap(content, checkpoint)
    encoder = find_encoder(found, wrapper, checkpoint, from_format, branch,
                           prefix)
    state, dropped = _split_heads(encoder.state, drop)
    groups = _optional_groups(encoder)
    architecture, report = verify(state, arch, checkpoint, encoder)
    report.dropped = dict(Counter(
        name.split('.')[0] for name in (*dropped, *encoder.rest)))
    fields, architecture = _meta(content, wrapper, encoder, architecture,
                                 meta or {})
    fields['source_sha256'] = sha256(checkpoint)
    kept = architecture.shapes()
    state = {name: tensor for name, tensor in state.items()
             if name in kept or name.endswith('num_batches_tracked')}
    return Backbone(state, **groups, meta=fields), report


def encoder_prefixes(names: Iterable[str]) -> List[str]:
    """What stands before each encoder among some names."""
    found = {name[:-len(sign)] for name in names for sign in SIGNS.values()
             if name.endswith(sign)}
    return sorted(p for p in found if not p or p.endswith('.'))


def find_encoder(found: State, wrapper: str, path: Any,
                 from_format: Optional[str], branch: str,
                 prefix: Optional[str]) -> Encoder:
    """Find the encoder among a file's tensors.

    Raises:
        UserError: There is none, or more than one candidate; it says what
            was tried.
    """
    row = None
    if from_format:
        row = format_named(from_format)
    elif prefix is None:
        row = detect(found, wrapper, path)
    whole = encoder_prefixes(found)
    tried = _prefixes(row, whole, branch, prefix, path)
    ours = [p for p in tried if any(p + s in found for s in SIGNS.values())]
    if not ours:
        raise _nothing_found(found, path, row, tried, whole)
    if len(ours) > 1 and (row is None or tried == tuple(whole)):
        raise UserError(
            f'{path} holds {len(ours)} encoders and fits no known format: '
            f'say which with --prefix {" or --prefix ".join(ours)}')
    return _cut(found, ours[0], row)


def _prefixes(row: Optional[Format], whole: List[str], branch: str,
              prefix: Optional[str], path: Any) -> Tuple[str, ...]:
    """Where to look for the encoder."""
    if prefix is not None:
        return (prefix,)
    if row is None:
        return tuple(whole)
    if branch == 'online':
        return row.online
    if row.target == MOMENTUM:
        return tuple(p for p in whole if p not in row.online)
    if not row.target:
        raise UserError(f'{path}: files of format {row.name} hold no target '
                        'branch; leave --branch away')
    return row.target


def _nothing_found(found: State, path: Any, row: Optional[Format],
                   tried: Sequence[str], whole: List[str]) -> UserError:
    parts = Counter('.'.join(name.split('.')[:2]) for name in found)
    shown = ', '.join(f'{part} ({count})'
                      for part, count in parts.most_common(5))
    looked = f'as {row.name}, ' if row else ''
    looked += 'after ' + ' and '.join(repr(p) for p in tried) if tried \
        else 'after every prefix'
    hint = f'An encoder stands after {" and ".join(map(repr, whole))}: ' \
        'give --prefix. ' if whole else ''
    return UserError(
        f'{path} holds no ResNet or ViT encoder that could be recognised; '
        f'looked {looked}. {hint}Its {len(found)} tensors begin with {shown}')


def _cut(found: State, prefix: str, row: Optional[Format]) -> Encoder:
    """Take the encoder out of a file's tensors, in our names."""
    state, rest = {}, {}
    # A C4 detector keeps the last stage in its RoI head.
    owner = re.sub(r'backbone(_k)?\.(bottom_up\.)?$', '', prefix)
    last = '_k' if prefix.endswith('backbone_k.') else ''
    heads = re.compile(
        re.escape(owner) + rf'(?:roi_head{last}\.shared_head\.(?=layer4\.)'
        r'|roi_heads\.(?=res5\.))')
    shared = row.shared if row else ()
    for name, tensor in found.items():
        head = heads.match(name)
        if name.startswith(prefix):
            state[name[len(prefix):]] = tensor
        elif head:
            state[name[head.end():]] = tensor
        elif name in shared:
            state[name] = tensor
        else:
            rest[name] = tensor
    return Encoder(row.name if row else 'raw', row.method if row else '',
                   prefix, to_ours(state, scheme_of(state)), rest)


def _split_heads(state: State, drop: Sequence[str]) -> Tuple[State, State]:
    """Part the encoder from the heads that stand among its names."""
    dropped = {name: tensor for name, tensor in state.items()
               if HEADS.match(name) or name.startswith(tuple(drop))}
    return {name: tensor for name, tensor in state.items()
            if name not in dropped}, dropped


def _optional_groups(encoder: Encoder) -> Dict[str, State]:
    """InsLoc-FPN's neck and head of the encoder's own branch."""
    owner = re.sub(r'backbone(_k)?\.$', '', encoder.prefix)
    suffix = '_k.' if encoder.prefix.endswith('backbone_k.') else '.'
    groups: Dict[str, State] = {}
    for group, pattern in GROUPS.items():
        found = {}
        for name in list(encoder.rest):
            match = re.match(re.escape(owner) + pattern, name)
            if match and name.startswith(f'{owner}{group}{suffix}'):
                found[match[1]] = encoder.rest.pop(name)
        groups[group] = found
    return groups


def verify(state: State, arch: Optional[str], path: Any, encoder: Encoder
           ) -> Tuple[Architecture, Report]:
    """Prove that every tensor of the architecture is there.

    Raises:
        UserError: It is another architecture than asked for, or tensors are
            missing, unexpected or of another shape.
    """
    architecture = recognise(state)
    if architecture is None:
        raise UserError(f'{path}: the tensors after {encoder.prefix!r} are '
                        'no ResNet and no ViT')
    if arch is not None and canonical_arch(arch) != architecture.key:
        raise UserError(
            f'{path} holds {architecture.name}, not {canonical_arch(arch)}: '
            'leave --arch away or give the other file')
    report = compare(state, architecture.shapes())
    if not report.complete:
        raise UserError(
            f'{path} does not hold a whole {architecture.name} (read as '
            f'{encoder.source}, names after {encoder.prefix!r}): '
            f'{report.problems()}. If the format was guessed wrongly give '
            '--from or --prefix; parts that do not belong go with --drop')
    report.warnings = suspicious(state)
    return architecture, report


def _meta(content: Any, wrapper: str, encoder: Encoder,
          architecture: Architecture, given: Mapping[str, Any]
          ) -> Tuple[Dict[str, Any], Architecture]:
    """The header's fields, and where each came from."""
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        raise unknown_name('header field', unknown[0], FIELDS)
    fields: Dict[str, Any] = dict.fromkeys(FIELDS[:3], '')
    fields.update(pretrain_epochs=None, pretrain_batch=None, config='')
    sources = {}
    heads = None
    if wrapper == 'mmengine':
        found, sources, config = from_mmengine(content['meta'])
        fields.update(found)
        heads = heads_of(config)
    if encoder.method:
        fields['method'] = encoder.method
        sources['method'] = f'format {encoder.source}'
    if encoder.source == 'mocov3' and architecture.family == 'vit':
        heads = 12  # its ViT-S too, moco-v3/vits.py
    if isinstance(architecture, ViT) and heads:
        architecture = replace(architecture, heads=heads)
    fields.update(given)
    sources.update(dict.fromkeys(given, 'given by the user'))
    sources.update(arch='names and shapes of the tensors',
                   source_format=f'names of the tensors, prefix '
                                 f'{encoder.prefix!r}')
    fields.update(
        arch=architecture.name, arch_args=describe(architecture),
        source_format=encoder.source,
        ssl_bench_version=ssl_bench.__version__, sources=sources)
    return fields, architecture
