"""A network of timm's among a file's tensors, by the families' rules."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.encoder import leave_aside
from ssl_bench.checkpoints.timm_families import FAMILIES, Facts, Family, Mapped
from ssl_bench.checkpoints.timm_families.own_names import by_timm_name
from ssl_bench.checkpoints.values import plain
from ssl_bench.checkpoints.wrappers import Unwrapped, by_role, role_of
from ssl_bench.errors import UserError

State = dict[str, Tensor]

# the source of a file of which it is known what timm calls it
NAMED = 'timm'


@dataclass
class TimmEncoder:
    """What was found, before it is compared with what timm builds.

    Args:
        source (str): The family whose names they are, or `NAMED`.
        mapped (Mapped): The network, and its tensors.
        prefix (str): What stood before each name.
        rest (dict[str, Tensor]): The file's other tensors, and those that
            never transfer.
        method (str): `Family.method`.
    """

    source: str
    mapped: Mapped
    prefix: str
    rest: State
    method: str = ''

    @property
    def origin(self) -> str:
        """How it was found, for messages."""
        return f'{self.source}, names after {self.prefix!r}'


def family_names() -> list[str]:
    """What ``--from`` takes besides the formats' names."""
    return list(dict.fromkeys(family.name for family in FAMILIES))


def find_timm(
    file: Unwrapped,
    content: Any,
    path: Any,
    from_format: str | None,
    drop: Sequence[str],
    arch: str | None = None,
) -> TimmEncoder | None:
    """Find the network of a family among a file's tensors.

    Args:
        file (Unwrapped): One of the file's networks, or student and teacher.
        content: All of the file.
        path: The file, for messages.
        from_format (str, optional): The one family that is looked for.
        drop (Sequence[str]): Beginnings of names to leave aside.
        arch (str, optional): `Facts.arch`.

    Returns:
        TimmEncoder | None: None where no family's names are there.

    Raises:
        UserError: Several networks, of which nothing says which is meant;
            or a family's names, and not the tensors it must have.
    """
    facts = facts_of(content, path, file.state, file.config, arch)
    named = None
    if from_format is None and not file.prefix and not drop:
        named = by_timm_name(file.state, facts)
    if named:
        return TimmEncoder(NAMED, named[0], '', named[1])
    families = [f for f in FAMILIES if from_format in (None, f.name)]
    if file.prefix is None:
        states = _by_prefix(file.state)
    else:
        states = {file.prefix: _under(file.state, file.prefix)}
    found: dict[str, Family] = {}
    for prefix, state in states.items():
        family = next((f for f in families if f.fits(state)), None)
        if family:
            found[prefix] = family
    if not found:
        return None
    prefix = _chosen(list(found), file.asked, path)
    state = states[prefix]
    encoder = read_timm(
        found[prefix],
        state,
        facts_of(content, path, state, file.config, arch),
        drop,
    )
    encoder.prefix = prefix
    if prefix and not file.notes:
        encoder.mapped.notes += [
            f'taken: {prefix}; the file also has {other} (--prefix {other} '
            'takes it)'
            for other in found
            if not other.startswith(prefix)
        ]
    encoder.rest.update(
        (name, tensor)
        for name, tensor in file.state.items()
        if not name.startswith(prefix)
    )
    return encoder


def facts_of(
    content: Any,
    path: Any,
    state: State,
    config: Mapping[str, Any] | None = None,
    arch: str | None = None,
    method: str = '',
) -> Facts:
    """What stands in a file next to a network's tensors."""
    container = content if isinstance(content, Mapping) else {}
    return Facts(
        path, container, config or {}, frozenset(state), arch or '', method
    )


def read_timm(
    family: Family, state: State, facts: Facts, drop: Sequence[str] = ()
) -> TimmEncoder:
    """Map a network's tensors by its family's rule.

    Args:
        family (Family): Whose names they are.
        state (dict[str, Tensor]): The network, with its heads.
        facts (Facts): What else the file says.
        drop (Sequence[str]): Beginnings of names to leave aside.

    Raises:
        UserError: The tensors are not those that the family must have, or
            cannot be computed with.
    """
    never = re.compile('|'.join(family.drop) or r'(?!)')
    rest = {name: t for name, t in state.items() if never.match(name)}
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name not in rest or name in family.keeps
    }
    if drop:
        named = [name for name in kept if name.startswith(tuple(drop))]
        _, aside = leave_aside({n: kept[n] for n in named}, drop, facts.path)
        kept = {name: t for name, t in kept.items() if name not in aside}
        rest.update(aside)
    kept, notes = plain(kept, facts.path)
    mapped = family.read(kept, facts)
    mapped.notes = [*notes, *mapped.notes]
    return TimmEncoder(family.name, mapped, '', rest, family.method)


def _by_prefix(state: State) -> dict[str, State]:
    """The tensors after every beginning that an encoder's names could have.

    Words alone: a number counts the parts of a network.
    """
    found: dict[str, State] = {'': {}}
    for name, tensor in state.items():
        words = name.split('.')
        found[''][name] = tensor
        for end, word in enumerate(words[:-1][:4], 1):
            if word.isdigit():
                break
            prefix = '.'.join(words[:end]) + '.'
            found.setdefault(prefix, {})[name[len(prefix) :]] = tensor
    return dict(sorted(found.items(), key=lambda row: row[0].count('.')))


def _under(state: State, prefix: str) -> State:
    return {
        name[len(prefix) :]: tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _chosen(prefixes: list[str], branch: str | None, path: Any) -> str:
    """The one that is meant.

    Raises:
        UserError: There are several, and nothing says which.
    """
    # a family may see its names both with and without a word of their own
    prefixes = [
        inner
        for inner in prefixes
        if not any(inner != p and inner.startswith(p) for p in prefixes)
    ]
    if len(prefixes) == 1:
        return prefixes[0]
    chosen = by_role(prefixes, branch)
    same = [p for p in prefixes if chosen and role_of(p) == role_of(chosen)]
    if chosen is None or len(same) > 1:
        raise UserError(
            f'{path} holds {len(prefixes)} encoders: say which with --prefix '
            f'{" or --prefix ".join(prefixes)}'
        )
    return chosen
