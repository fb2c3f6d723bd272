"""Change a config by dotted keys that name entries of lists by their type.

In ``'train_dataloader.dataset.pipeline.Resize.scale'``, ``pipeline`` is a
list and ``Resize`` its entry of that type. `edit` explains the keys. The
options of the command line, the recipes of a task and the ``edit`` of a config
file all use them.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config, ConfigDict

from ssl_bench.errors import UserError, unknown_name

_MISSING = object()


def edit(config: Any, values: Mapping[str, Any], strict: bool = False) -> None:
    """Change a config in place, one dotted key after the other.

    A part of a key that meets a list is one of

    * ``Resize``: its only entry of that type, also in lists within the list;
      a scope as in ``mmdet.Resize`` is left out;
    * ``Resize#2``: the second of several;
    * ``*``: every entry, for entries without a type too;
    * ``2``: a position, counted from 0 as in mmengine.

    A part that meets a dict is one of its keys; missing ones are made. The
    value replaces what is there. A dict is merged into what is there, unless
    it says ``_delete_=True``, which replaces, or, with nothing else in the
    dict, removes; or ``_keep_=['pipeline']``, which replaces all but the keys
    in the list.

    Args:
        config (Config | dict): What to change.
        values (Mapping[str, Any]): Dotted keys and values.
        strict (bool): Make no missing key but the last of a dotted one.

    Raises:
        UserError: An entry that the list does not have, or has several
            times, or a key below something that is neither list nor dict.
    """
    for key, value in values.items():
        top, *rest = key.split('.')
        if strict and top not in config and (rest or _removes(value)):
            raise unknown_name('key of the config', top, config)
        holder = ConfigDict({top: config[top]} if top in config else {})
        changed = _put(holder, [top, *rest], value, '', strict)
        if top in changed:
            config[top] = changed[top]
        else:
            config.pop(top)


def values_at(config: Any, key: str) -> list[Any]:
    """What is at a dotted key, as `edit` reads it.

    Args:
        config (Config | dict): Where to look.
        key (str): Its entries may be named, or be all of a list.

    Returns:
        list: A value for each place that the key leads to; None where
        nothing is there.
    """
    found: list[Any] = [getattr(config, '_cfg_dict', config)]
    path = ''
    for step in key.split('.'):
        below: list[Any] = []
        for node in found:
            try:
                places = _places(node, step, path)
            except (UserError, TypeError):  # no such entry, or no list
                places = []
            below += [_inside(node, place) for place in places] or [None]
        found, path = below, f'{path}.{step}'.lstrip('.')
    return found


def _inside(node: Any, place: tuple) -> Any:
    for index in place:
        if isinstance(node, dict):
            node = node.get(index)
        else:
            node = node[int(index)]
    return node


def apply_edits(config: Any) -> None:
    """Apply and remove a config's own ``edit``, ``edit_a``, ``edit_b``, ...

    Args:
        config (Config | dict): Merged with its bases.

    Raises:
        UserError: As of `edit`, which is strict here: a file changes what its
            bases, or those that it is listed with, have.
    """
    for name in [name for name in config if _is_edit(name)]:
        values = config.pop(name)
        if not isinstance(values, Mapping):
            raise UserError(
                f'{name} must be a dict of dotted keys, not {values!r}.'
            )
        edit(config, values, strict=True)


@contextmanager
def edits_of_bases() -> Iterator[None]:
    """Let mmengine apply what bases say in ``edit`` when it merges a file.

    The edits of a base come before the settings of a file that inherits from
    it, as all that a base says. mmengine has no hook for it: its function
    that merges a file into its bases is replaced for the time being. If edits
    were collected and applied at the end, a base's would win over a file's
    own settings. A base's ``TASK`` is left out where a file has its own.
    """
    merge = Config._merge_a_into_b

    def merge_file(own: dict, bases: dict, *args: Any, **kwargs: Any) -> dict:
        with _merging_by(merge):  # it calls itself for what is inside
            apply_edits(bases)
            if 'TASK' in own:
                bases.pop('TASK', None)
            return merge(own, bases, *args, **kwargs)

    with _merging_by(merge_file):
        yield


@contextmanager
def _merging_by(function: Any) -> Iterator[None]:
    before = Config.__dict__['_merge_a_into_b']
    Config._merge_a_into_b = staticmethod(function)
    try:
        yield
    finally:
        Config._merge_a_into_b = before


def _is_edit(name: str) -> bool:
    return name == 'edit' or name.startswith('edit_')


def _put(
    node: Any, steps: list[str], value: Any, path: str, strict: bool
) -> Any:
    """A copy of ``node`` with ``value`` at ``steps``; ``path`` led here.

    Only what changes is copied: nodes may be shared between places.
    """
    if not steps:
        return _merged(node, value, path, strict)
    if node is _MISSING:
        node = ConfigDict()
    if not isinstance(node, (dict, list, tuple)):
        raise UserError(
            f'{path} is {node!r}: there is no {".".join(steps)} in it.'
        )
    step, *rest = steps
    below = f'{path}.{step}'.lstrip('.')
    changed: Any = list(node) if isinstance(node, tuple) else node.copy()
    # from the end, so that removing one leaves the others at their places
    for index, *inner in reversed(_places(node, step, path)):
        missing = isinstance(node, dict) and index not in node
        last = not inner and not rest
        if missing and (_removes(value) if last else strict):
            raise unknown_name(f'key of {path or "the config"}', index, node)
        if last and _removes(value):
            del changed[index]
        else:
            old = _MISSING if missing else node[index]
            changed[index] = _put(old, [*inner, *rest], value, below, strict)
    return tuple(changed) if isinstance(node, tuple) else changed


def _removes(value: Any) -> bool:
    return isinstance(value, dict) and value == dict(_delete_=True)


def _merged(old: Any, new: Any, path: str, strict: bool) -> Any:
    """``new`` in place of ``old``, or merged into it."""
    if not isinstance(new, dict):
        return ConfigDict(value=copy.deepcopy(new)).value
    new = dict(new)
    kept = new.pop('_keep_', None)
    if new.pop('_delete_', False) or kept is not None or old is _MISSING:
        known = old if isinstance(old, dict) else {}
        for name in kept or []:
            if name not in known:
                raise unknown_name(f'key of {path}', name, known or ['none'])
        old = ConfigDict({name: known[name] for name in kept or []})
    if not isinstance(old, (dict, list, tuple)):
        raise UserError(
            f'{path} is {old!r}: write dict(_delete_=True, ...) to put a '
            'dict in its place.'
        )
    for name, value in new.items():
        old = _put(old, [name], value, path, strict)
    return old


def _places(node: Any, step: str, path: str) -> list[tuple]:
    """Where ``step`` leads: a key, or indices into lists within lists."""
    if isinstance(node, dict):
        if step not in node and (step == '*' or '#' in str(step)):
            raise UserError(
                f'{path} is not a list: {step} has no meaning there.'
            )
        return [(step,)]
    step = str(step)
    if step == '*':
        return [(index,) for index in range(len(node))]
    if step.isdecimal():
        if int(step) >= len(node):
            raise UserError(
                f'{path} has {len(node)} entries, counted from 0: there is '
                f'no {path}.{step}.'
            )
        return [(int(step),)]
    name, mark, number = step.partition('#')
    types = list(_types(node))
    found = [place for kind, place in types if kind == name]
    if not found:
        known = dict(types) or ['no entry with a type']
        raise unknown_name(f'entry of {path}', name, known)
    if not mark and len(found) == 1:
        return found
    if number.isdecimal() and 1 <= int(number) <= len(found):
        return [found[int(number) - 1]]
    names = ' or '.join(f'{name}#{n + 1}' for n in range(len(found)))
    raise UserError(
        f'{path} has {len(found)} entries {name}, not one {step}: write '
        f'{names}, or * for every entry of a list.'
    )


def _types(node: Any) -> Iterator[tuple[str, tuple]]:
    """Type and place of every entry, also of lists within the list."""
    for index, entry in enumerate(node):
        if isinstance(entry, (list, tuple)):
            for kind, place in _types(entry):
                yield kind, (index, *map(str, place))
        elif isinstance(entry, dict) and 'type' in entry:
            yield str(entry['type']).rpartition('.')[2], (index,)
