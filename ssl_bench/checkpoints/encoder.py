"""The encoder among a file's tensors."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.formats import (
    MOMENTUM,
    Format,
    detect,
    format_named,
)
from ssl_bench.checkpoints.names import (
    SIGNS,
    encoder_prefixes,
    scheme_of,
    to_ours,
)
from ssl_bench.checkpoints.unsupported import is_part, unsupported
from ssl_bench.checkpoints.values import plain
from ssl_bench.checkpoints.verify import grouped
from ssl_bench.checkpoints.wrappers import Unwrapped
from ssl_bench.errors import UserError

State = dict[str, Tensor]
# What may stand among the encoder's names and never transfers.
HEADS = re.compile(
    r'(fc|fc_norm|heads?|classifier|pooler|lm_head|decoder_\w+|projector\w*'
    r'|projection_head|predictor\w*|prototypes|mm_\w+|mask_token|queue\w*'
    r'|masked_embed|pred|dino_head|ibot_head|cls_pt_layers'
    r'|pre_logits|ln2)(\.|$)'
)
# InsLoc-FPN's optional groups: where they stand, and what transfers of them.
GROUPS = dict(
    neck=r'(?:lateral|fpn)_convs\..+', roi_head=r'bbox_head\.shared_.+'
)


@dataclass
class Encoder:
    """The encoder as it stood in a file.

    Args:
        source (str): The format's name, or ``raw``.
        method, variant (str): What format and names imply, or ''.
        prefix (str): What stood before each name.
        state (dict[str, Tensor]): In torchvision's or timm's names.
        rest (dict[str, Tensor]): The file's other tensors, names as found.
        last_epoch (int, optional): `Format.last_epoch`.
        convention (str, optional): `Format.convention`.
        notes (list[str]): What was done to values, or is in the file too.
    """

    source: str
    method: str
    prefix: str
    state: State
    rest: State
    last_epoch: int | None = None
    convention: str | None = None
    variant: str = ''
    notes: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """How it was found, for messages."""
        return f'{self.source}, names after {self.prefix!r}'


def find_encoder(
    file: Unwrapped, path: Any, from_format: str | None = None
) -> Encoder:
    """Find the encoder among a file's tensors.

    Raises:
        UserError: There is none, or more than one candidate; it says what
            was tried.
    """
    found, prefix = file.state, file.prefix
    row = None
    if from_format:
        row = format_named(from_format)
    elif prefix is None:
        row = detect(found, file.wrapper, path)
        if row is None:
            found, row = _without_common(found, file.wrapper, path)
    whole = encoder_prefixes(found)
    tried = _prefixes(row, whole, file.branch, prefix, path)
    ours = [p for p in tried if any(p + s in found for s in SIGNS.values())]
    if not ours and not from_format and prefix is None:
        ours = _only(whole, row, file.branch)
    if not ours:
        raise _nothing_found(found, path, row, tried, whole)
    if len(ours) > 1 and (row is None or tried == tuple(whole)):
        refuse_unsupported(found, path)
        raise UserError(
            f'{path} holds {len(ours)} encoders and fits no known format: '
            f'say which with --prefix {" or --prefix ".join(ours)}'
        )
    return _cut(found, ours[0], row, path)


def _without_common(
    found: State, wrapper: str, path: Any
) -> tuple[State, Format | None]:
    """The tensors without a word before all encoders, if that is a format.

    A module that holds the whole method as ``model`` adds one.
    """
    whole = encoder_prefixes(found)
    words = {prefix.partition('.')[0] for prefix in whole}
    if len(whole) < 2 or len(words) != 1:
        return found, None
    word = f'{words.pop()}.'
    bare = {name.removeprefix(word): tensor for name, tensor in found.items()}
    row = detect(bare, wrapper, path) if len(bare) == len(found) else None
    return (bare, row) if row else (found, None)


# what the names of a momentum copy begin with
_COPY = re.compile(r'(.*[._])?(k|ema|momentum|target|teacher)([._]|\Z)')


def _only(whole: list[str], row: Format | None, branch: str) -> list[str]:
    """The encoder that is meant, where a format names another place."""
    target = branch == 'target'
    places = (row.target if target else row.online) if row else ()
    if all(places) and places != MOMENTUM:
        inside = [prefix for prefix in whole if prefix.startswith(places)]
        if len(inside) == 1:
            return inside
    copy = any(_COPY.match(prefix) for prefix in whole)
    return whole if len(whole) == 1 and not (copy or target) else []


def refuse_unsupported(
    found: State, path: Any, names: Iterable[str] | None = None
) -> None:
    """Refuse an encoder of a known kind that is not read.

    Args:
        found (dict[str, Tensor]): Its tensors.
        path: The file, for messages.
        names (Iterable[str], optional): Those that are not understood; all
            of them when None.

    Raises:
        UserError: It is one.
    """
    what = unsupported(found)
    if what:
        raise UserError(
            f'{path} holds {what}, of a kind that is not read. Not '
            f'understood: {grouped(found if names is None else names)}. '
            'Leaving tensors aside with --drop would not help: the rest '
            'computes something else'
        )


def _prefixes(
    row: Format | None,
    whole: list[str],
    branch: str,
    prefix: str | None,
    path: Any,
) -> tuple[str, ...]:
    """Where to look for the encoder."""
    if prefix is not None:
        return (prefix,)
    if row is None and branch == 'target':
        raise UserError(
            f'{path} fits no known format, so its target branch '
            'is not known: give --prefix'
        )
    if row is None:
        return tuple(whole)
    if branch == 'online':
        return row.online
    if row.target == MOMENTUM:
        return tuple(p for p in whole if p not in row.online)
    if not row.target:
        raise UserError(
            f'{path}: files of format {row.name} hold no target '
            'branch; leave --branch away'
        )
    return row.target


def _nothing_found(
    found: State,
    path: Any,
    row: Format | None,
    tried: Sequence[str],
    whole: list[str],
) -> UserError:
    if not whole:
        refuse_unsupported(found, path)
    looked = f'as {row.name}, ' if row else ''
    looked += (
        'after ' + ' and '.join(repr(p) for p in tried)
        if tried
        else 'after every prefix'
    )
    hint = (
        f'There is an encoder after {" and ".join(map(repr, whole))}: '
        'give --prefix. '
        if whole
        else ''
    )
    return UserError(
        f'{path} holds no encoder that could be recognised; looked {looked}. '
        f'{hint}Not understood, of its {len(found)} tensors: {grouped(found)}'
    )


def _cut(found: State, prefix: str, row: Format | None, path: Any) -> Encoder:
    """Take the encoder out of a file's tensors, in our names."""
    state: State = {}
    surplus: State = {}
    rest: State = {}
    # A C4 detector keeps the last stage in its RoI head.
    owner = re.sub(r'backbone(_k)?\.(bottom_up\.)?$', '', prefix)
    last = '_k' if prefix.endswith('backbone_k.') else ''
    heads = re.compile(
        re.escape(owner) + rf'(?:roi_head{last}\.shared_head\.(?=layer4\.)'
        r'|roi_heads\.(?=res5\.))'
    )
    shared = row.shared if row else ()
    unused = row.unused if row else ()
    for name, tensor in found.items():
        head = heads.match(name)
        if name in unused:
            rest[name] = tensor
            continue
        if name.startswith(prefix):
            ours = name[len(prefix) :]
        elif head:
            ours = name[head.end() :]
        elif name in shared:
            ours = name
        else:
            rest[name] = tensor
            continue
        if HEADS.match(ours):
            surplus[ours] = tensor
        elif ours in state:
            raise UserError(f'{path} holds {ours} of the encoder twice')
        else:
            state[ours] = tensor
    state, notes = plain(state, path)
    state.update(surplus)
    scheme = scheme_of(state)
    if scheme is None:  # never: `find_encoder` saw a name of one
        raise ValueError(f'the names after {prefix!r} are not known')
    method, variant = row.implied(found) if row else ('', '')
    return Encoder(
        row.name if row else 'raw',
        method,
        prefix,
        to_ours(state, scheme),
        rest,
        row.last_epoch if row else None,
        row.convention if row else None,
        variant,
        notes,
    )


def leave_aside(
    state: State, drop: Sequence[str], path: Any
) -> tuple[State, State]:
    """Part the encoder from what the user names.

    Raises:
        UserError: The encoder computes with it.
    """
    dropped = {
        name: tensor
        for name, tensor in state.items()
        if HEADS.match(name) or name.startswith(tuple(drop))
    }
    for name in dropped:
        if is_part(name):
            raise UserError(
                f'{path}: --drop cannot leave {name} aside: the encoder '
                'computes with it, and without it the features are others'
            )
    return {
        name: tensor for name, tensor in state.items() if name not in dropped
    }, dropped


def optional_groups(encoder: Encoder) -> dict[str, State]:
    """InsLoc-FPN's neck and head of the encoder's own branch.

    A C4 head without a neck is a projection and stays in ``encoder.rest``.
    """
    owner = re.escape(re.sub(r'backbone(_k)?\.$', '', encoder.prefix))
    copy = '_k' if encoder.prefix.endswith('backbone_k.') else ''
    groups: dict[str, State] = {group: {} for group in GROUPS}
    for group, kept in GROUPS.items():
        pattern = re.compile(rf'{owner}{group}{copy}\.({kept})')
        for name in list(encoder.rest):
            match = pattern.match(name)
            if match and (group == 'neck' or groups['neck']):
                groups[group][match[1]] = encoder.rest.pop(name)
    return groups
