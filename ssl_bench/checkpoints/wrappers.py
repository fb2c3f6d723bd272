"""The networks inside a file, and which one of them is meant."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_bench.checkpoints.names import encoder_prefixes
from ssl_bench.errors import UserError, one_line, printable

State = dict[str, Tensor]
# Where these words stand in a file, what was trained is evaluated: BYOL's and
# MoCo v3's
TRAINED = ('base_encoder', 'online_encoder', 'online_network', 'online_net')
# Keys of the trained network, the first that is there is taken ...
ONLINE = (
    'state_dict',
    'model',
    'model_state_dict',
    'model_state',
    'network',
    'module',
    'net',
    'backbone',
    'encoder',
    *TRAINED,
)
# ... of the copy that authors evaluate: I-JEPA and MSN, DINO and what comes
# after it, an average of the weights ...
EVALUATED = (
    'target_encoder',
    'teacher',
    'model_ema',
    'ema',
    'ema_model',
    'state_dict_ema',
)
# ... and of any momentum copy
TARGET = (*EVALUATED, 'target_network', 'momentum_encoder')
# What programs save next to the weights, with tensors by name inside.
_NOT_WEIGHTS = re.compile(
    r'(opt|optim|optimizers?|optimizer_states?|optimizer_state_dict|scaler'
    r'|\w*schedulers?|message_hub|callbacks|loops|amp|\w*rng\w*|args|config'
    r'|meta)\Z'
)
_OF_A_RUN = re.compile(
    rf'{_NOT_WEIGHTS.pattern}|(epoch|iter|step|global_step|best\w*|lr)\Z'
)
MAX_LEVELS = 3  # of dicts inside dicts
MAX_NAME = 300  # characters of a tensor's name that are kept


@dataclass
class Unwrapped:
    """One of a file's networks.

    Args:
        state (dict[str, Tensor]): The tensors by name, without what wrappers
            add to names while training.
        wrapper (str): flat, state_dict, model, mmengine, lightning, vissl,
            dino or detectron2.
        key (str): Where it stood in the file, or ''.
        branch (str): Which branch of ``state`` is meant.
        asked (str, optional): What of it the user or the file's keys said;
            None where the one that authors evaluate is meant (`by_role`).
        prefix (str, optional): What is before the encoder's names.
        notes (list[str]): What else the file holds, and how to choose it.
        config (dict): What ``config.json`` next to it says
            (`hf_folders.config_of`).
    """

    state: State
    wrapper: str
    key: str = ''
    branch: str = 'online'
    asked: str | None = None
    prefix: str | None = None
    notes: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)


def unwrap(
    content: Any,
    path: Any,
    branch: str | None = None,
    prefix: str | None = None,
) -> Unwrapped:
    """Find the dict of tensors inside a file's content.

    Args:
        content: What was saved.
        path: The file, for messages.
        branch (str, optional): ``online``, or ``target`` for the momentum
            copy; None for the one that the authors evaluate (`by_role`).
        prefix (str, optional): Of the encoder's names; it may begin with
            the key of one of the file's networks.

    Raises:
        UserError: It holds no tensors by name.
    """
    if not isinstance(content, Mapping):
        raise UserError(
            f'{path} holds a {type(content).__name__}, not a dict of tensors:'
            ' save model.state_dict() instead of the model'
        )
    if 'classy_state_dict' in content:
        found = _vissl(content)
        found.branch, found.prefix = branch or 'online', prefix
    else:
        found = _choose(content, branch, prefix)
    if not found.state:
        raise _nothing(content, path)
    if not any(tensor.numel() for tensor in found.state.values()):
        raise UserError(
            f'{path} holds names with empty tensors, as DeepSpeed ZeRO-3 '
            'leaves them: merge its parts with `python zero_to_fp32.py '
            'FOLDER OUT` and give the file that it writes'
        )
    found.state = bare_names(found.state, path)
    return found


def _vissl(content: Mapping[str, Any]) -> Unwrapped:
    trunk: Any = content
    for key in ('classy_state_dict', 'base_model', 'model', 'trunk'):
        trunk = trunk.get(key) if isinstance(trunk, Mapping) else None
    return Unwrapped(_under('trunk', _tensors(trunk)), 'vissl')


def _choose(
    content: Mapping[str, Any], branch: str | None, prefix: str | None
) -> Unwrapped:
    """Take one of a file's networks."""
    networks = _networks(content)
    if not networks:
        return Unwrapped({}, 'flat')
    named = next(
        (
            key
            for key in sorted(networks, key=len, reverse=True)
            if prefix is not None
            and key
            and f'{prefix}.'.startswith(f'{key}.')
        ),
        None,
    )
    roles = {'student', 'teacher'} & set(networks)
    if named is not None and prefix is not None:
        found = Unwrapped(networks[named], _wrapper_of(content, named), named)
        found.prefix = prefix[len(named) + 1 :]
    elif roles and 'state_dict' not in networks and 'model' not in networks:
        return _dino(networks, roles, branch, prefix)
    else:
        key = _preferred(networks, branch)
        if key is None:  # several, of which nothing is known
            joined: State = {}
            for name, state in networks.items():
                joined.update(_under(name, state) if name else state)
            return Unwrapped(
                joined, 'flat', '', branch or 'online', branch, prefix
            )
        found = Unwrapped(networks[key], _wrapper_of(content, key), key)
        # a key of a momentum copy has said which branch this is
        copy = _last(key) in TARGET
        found.asked = 'online' if copy else branch
        found.branch = found.asked or 'online'
        found.prefix = prefix
    found.notes = _others(networks, found.key)
    return found


def _networks(
    content: Mapping[str, Any], levels: int = MAX_LEVELS
) -> dict[str, State]:
    """Every dict of tensors by its place; the file's own tensors at ''."""
    found: dict[str, State] = {}
    own = _tensors(content)
    if own:
        found[''] = own
    for key, value in content.items():
        if not isinstance(value, Mapping) or not isinstance(key, str):
            continue
        if _NOT_WEIGHTS.match(key) or 'param_groups' in value or not levels:
            continue
        for place, state in _networks(value, levels - 1).items():
            found[f'{key}.{place}' if place else key] = state
    return found


def _last(place: str) -> str:
    """What a place says: of ``model.state_dict`` or ``ema.module``."""
    words = [w for w in place.split('.') if w not in ('state_dict', 'module')]
    return words[-1] if words else place.split('.')[0]


def _holds_encoder(state: State) -> bool:
    return bool(encoder_prefixes(_bare(name) for name in state))


def by_role(
    places: Iterable[str], branch: str | None, whole: Iterable[str] = ()
) -> str | None:
    """The network that is meant, by the words of its place.

    The one place that says whom authors evaluate: the target encoder, the
    teacher or the averaged weights before what was trained, except where
    the file is BYOL's or MoCo v3's.

    Args:
        places (Iterable[str]): Keys or prefixes, for instance ``teacher``,
            ``teacher.backbone.``, ``''`` for the file's own tensors.
        branch (str, optional): ``online`` or ``target``, where the user
            says it.
        whole (Iterable[str]): The places that are known to hold an encoder;
            they are taken before others.

    Returns:
        str | None: None where no word says it.
    """
    roles = {place: role_of(place) for place in places}
    order: tuple[str, ...] = (*ONLINE, 'student', '', *TARGET)
    if branch == 'target':
        order = (*TARGET, *ONLINE, 'student', '')
    elif branch is None and not set(TRAINED) & set(roles.values()):
        order = (*EVALUATED, *ONLINE, 'student', '', *TARGET)
    known = [place for place, role in roles.items() if role in order]
    if branch == 'online':  # never a copy in the place of what was trained
        known = [p for p in known if roles[p] not in TARGET] or known
    known = [place for place in known if place in whole] or known
    return min(
        known, key=lambda place: order.index(roles[place]), default=None
    )


def role_of(place: str) -> str:
    """The word of a place that says its role; its last one without any."""
    place = place.removesuffix('.')
    for word in place.split('.'):
        if word in (*TARGET, *TRAINED, 'student'):
            return word
    return _last(place)


def _preferred(networks: dict[str, State], branch: str | None) -> str | None:
    """The place of the network that is meant, or None."""
    if len(networks) < 2:
        return next(iter(networks))
    whole = [p for p, state in networks.items() if _holds_encoder(state)]
    named = [place for place in networks if place or place in whole]
    chosen = by_role(named, branch, whole)
    if chosen is None and len(whole) == 1:
        return whole[0]
    return chosen


def _others(networks: dict[str, State], taken: str) -> list[str]:
    """Say which other encoders there are, and how to choose them."""
    notes = []
    for place, state in networks.items():
        if place != taken and _holds_encoder(state):
            copy = _last(place) in TARGET and _last(taken) not in TARGET
            how = '--branch target' if copy else f'--prefix {place}.'
            trained = _last(taken) in TARGET and _last(place) in ONLINE
            if trained or not place:
                how = '--branch online'
            notes.append(
                f'taken: {taken or "the tensors at the top"}; the file also '
                f'has {place or "tensors at the top"} ({how} takes it)'
            )
    return notes


def _dino(
    networks: dict[str, State],
    roles: set[str],
    branch: str | None,
    prefix: str | None,
) -> Unwrapped:
    """Student and teacher together, or the one that is there."""
    if branch is None:
        branch = 'target' if by_role(roles, None) == 'teacher' else 'online'
    state: State = {}
    for role in sorted(roles):
        bare = {_bare(name): tensor for name, tensor in networks[role].items()}
        state.update(_under(role, bare))
    found = Unwrapped(state, 'dino', '', branch, branch, prefix)
    if len(roles) == 2:
        other = 'teacher' if branch == 'online' else 'student'
        option = 'target' if branch == 'online' else 'online'
        taken = 'student' if branch == 'online' else 'teacher'
        found.notes = [
            f'taken: {taken}; the file also has {other} '
            f'(--branch {option} takes it)'
        ]
    elif prefix is None:
        (role,) = roles
        found.branch = 'target' if role == 'teacher' else 'online'
        found.asked = found.branch
        if found.branch != branch:  # the user asked for the other one
            found.notes = [f'taken: {role}, the only network in the file']
    return found


def _under(key: str, state: State) -> State:
    return {f'{key}.{name}': tensor for name, tensor in state.items()}


def _tensors(value: Any) -> State:
    """The tensors and arrays of a dict, by name; {} if it is none."""
    if not isinstance(value, Mapping):
        return {}
    found = {}
    for name, item in value.items():
        if isinstance(item, np.ndarray) and item.dtype.kind in 'fiub':
            item = torch.from_numpy(np.asarray(item, order='C'))
        if isinstance(name, str) and isinstance(item, Tensor):
            found[name] = item
    return found


def _wrapper_of(content: Mapping[str, Any], key: str) -> str:
    meta = content.get('meta')
    if not key:
        return 'flat'
    if isinstance(meta, Mapping) and 'mmengine_version' in meta:
        return 'mmengine'
    if 'pytorch-lightning_version' in content:
        return 'lightning'
    if 'matching_heuristics' in content or '__author__' in content:
        return 'detectron2'
    if _last(key) in ('backbone', 'encoder', *TARGET):
        return 'flat'
    return 'state_dict' if key == 'state_dict' else 'model'


def _nothing(content: Mapping[Any, Any], path: Any) -> UserError:
    """The error for a file without tensors by name."""
    keys = [one_line(printable(key), 60) for key in list(content)[:8]]
    shown = ', '.join(keys) or 'nothing'
    if 'param_groups' in content or (
        content and all(_OF_A_RUN.match(str(key)) for key in content)
    ):
        return UserError(
            f'{path} holds the state of an optimizer or of a run and no '
            f'weights (only: {shown}): give the file of the model'
        )
    return UserError(
        f'{path} holds no tensors by name that could be weights, only: {shown}'
    )


# What wrappers add to names: DataParallel and DDP, torch.compile, FSDP,
# activation checkpoints, DeepSpeed in Lightning. They can stand inside, too.
_WRAPPERS = re.compile(
    r'(?:(?<=\.)|\A)(?:module|_orig_mod|_fsdp_wrapped_module|_forward_module'
    r'|_checkpoint_wrapped_module|_fpw_module)\.'
)


def _bare(name: str) -> str:
    """A name without the words that wrappers add while training."""
    bare = _WRAPPERS.sub('', name)
    if bare.isprintable() and len(bare) <= MAX_NAME:
        return bare
    return one_line(printable(bare), MAX_NAME)


def bare_names(state: Mapping[str, Any], path: Any) -> dict[str, Any]:
    """Remove what wrappers add to names, such as ``module.``.

    Raises:
        UserError: Two tensors get one name.
    """
    found: dict[str, Any] = {}
    for name, tensor in state.items():
        bare = _bare(name)
        if bare in found:
            raise UserError(
                f'{path} holds {bare} twice, under names that differ in '
                '`module.` or the like: it is not clear which is meant. '
                'Remove one of them'
            )
        found[bare] = tensor
    return found
