"""Is a dotted key of ``--cfg-options`` one that something reads?"""

from collections.abc import Iterator, Mapping
from inspect import Parameter, isclass, signature
from keyword import iskeyword
from typing import Any

from ssl_bench.errors import UserError, unknown_name

NOT_TRUTHS = ('yes', 'no', 'on', 'off')  # texts, which Python takes for true
NEW = '+'  # before a key that the config does not have yet
EDITS = ('_delete_', '_keep_')  # what `config_edits.edit` takes in a dict

# what our runs read from a config that need not have it
OPTIONAL = {
    'console_level',
    'find_unused_parameters',
    'fixed_positions',
    'method',
    'photometric',
    'speed',
    'transfer_neck_and_head',
    'view_sheet',
}
# the class behind a dict of the config that may name none
DEFAULT_TYPES = {
    'optim_wrapper': ('OptimWrapper',),
    'train_cfg': ('EpochBasedTrainLoop', 'IterBasedTrainLoop'),
    'val_cfg': ('ValLoop',),
    'test_cfg': ('TestLoop',),
    'sampler': ('DefaultSampler',),
}
# keys of dicts that have no class
PLAIN = {
    'optim_wrapper.paramwise_cfg': {
        'base_lr',
        'base_wd',
        'bias_decay_mult',
        'bias_lr_mult',
        'bypass_duplicate',
        'custom_keys',
        'dcn_offset_lr_mult',
        'dwconv_decay_mult',
        'flat_decay_mult',
        'norm_decay_mult',
    },
    'optim_wrapper.clip_grad': {'error_if_nonfinite', 'max_norm', 'norm_type'},
    'auto_scale_lr': {'base_batch_size', 'enable'},
    'optim_wrapper': {'constructor', 'paramwise_cfg'},
    'env_cfg': {'cudnn_benchmark', 'dist_cfg', 'mp_cfg', 'resource_limit'},
    'method': {'name', 'variant'},
    'probe': {'pool', 'compute'},
    'randomness': {'deterministic', 'diff_rank_seed', 'seed'},
    'speed': {
        'amp',
        'bucket_view',
        'channels_last',
        'compile',
        'cudnn_benchmark',
        'fused',
        'prefetch',
        'static_graph',
        'tf32',
    },
    'train_cfg': {'by_epoch'},
}


def plain_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options without the mark of new keys."""
    return {key.removeprefix(NEW): value for key, value in values.items()}


def check_keys(config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse options that nothing would read.

    A key is known if the config has it, or if the class that its dict names
    takes an argument of that name. ``+`` before a key makes it new.

    Args:
        config (Mapping): What they would change.
        values (Mapping[str, Any]): Dotted keys and values.

    Raises:
        UserError: A key that is not known, with the nearest, or that no
            config can have.
    """
    tree = getattr(config, '_cfg_dict', config)  # of mmengine's Config
    for key, value in values.items():
        top, *rest = key.removeprefix(NEW).split('.')
        if not (top.isidentifier() and all(rest)) or iskeyword(top):
            raise UserError(
                f'{key!r} is not a key: write NAME, or NAME.NAME and so on; '
                f'one {NEW} before it makes it new.'
            )
        if not key.startswith(NEW):
            if str(value).lower() in NOT_TRUTHS:
                raise UserError(f'{key}={value}: write true or false.')
            _check(tree, key, key.split('.'), value, '')


def _check(
    node: Any, key: str, steps: list[str], value: Any, path: str
) -> None:
    """Follow the steps of a key; ``path`` led to ``node``."""
    if not steps:
        _check_kind(node, key, value)
        both = isinstance(value, Mapping) and isinstance(node, Mapping)
        if both and not any(word in value for word in EDITS):
            for name, inner in value.items():
                _check(node, f'{key}.{name}', [str(name)], inner, path)
        return
    step, *rest = steps
    if isinstance(node, (list, tuple)):
        for entry in _entries(node, step):
            _check(entry, key, rest, value, f'{path}.{step}')
        return
    if not isinstance(node, Mapping) or step in EDITS:
        return  # `edit` says what is wrong
    below = f'{path}.{step}'.lstrip('.')
    if step in node:
        _check(node[step], key, rest, value, below)
        return
    if step not in (known := {*node, *_arguments(node, path)}):
        place = f'key of {path}' if path else 'setting'
        raise UserError(
            f'{unknown_name(place, step, known)} To add a key that is not '
            f'there, write {NEW}{key}=VALUE.'
        )
    if rest and (below in PLAIN or below in DEFAULT_TYPES):
        _check({}, key, rest, value, below)


def _check_kind(old: Any, key: str, value: Any) -> None:
    """Refuse a text for a number or for true and false.

    Python takes any text for true, and compares none with a number.
    """
    if isinstance(old, (int, float)) and isinstance(value, str):
        asked = 'true or false' if isinstance(old, bool) else 'a number'
        raise UserError(
            f'{key} is {old!r}: write {asked}, not {value!r}. To put it there '
            f'all the same, write {NEW}{key}=VALUE.'
        )


def _entries(node: Any, step: str) -> list[Any]:
    """What a step means in a list; nothing where `edit` will complain."""
    if step == '*':
        return list(node)
    if step.isdecimal():
        return list(node[int(step) : int(step) + 1])
    name, _, number = step.partition('#')
    found = [entry for entry in _flat(node) if _type(entry) == name]
    place = int(number) - 1 if number.isdecimal() else 0
    return found[place : place + 1]


def _flat(node: Any) -> Iterator[Any]:
    for entry in node:
        if isinstance(entry, (list, tuple)):
            yield from _flat(entry)
        else:
            yield entry


def _type(entry: Any) -> str:
    kind = entry.get('type', '') if isinstance(entry, Mapping) else ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def _arguments(node: Mapping[str, Any], path: str) -> set[str]:
    """Keys that a dict may have although it has not."""
    if not path:
        from mmengine.runner import Runner

        return {*signature(Runner.__init__).parameters, *OPTIONAL} - {'self'}
    name = path.rpartition('.')[2]
    known = set(PLAIN.get(path, ()))
    if name == 'norm_cfg':
        known.add('requires_grad')  # of the function that builds norms
    if name.endswith('_dataloader'):
        from torch.utils.data import DataLoader

        known |= {*signature(DataLoader.__init__).parameters} - {'self'}
    types = (_type(node),) if 'type' in node else DEFAULT_TYPES.get(name, ())
    if name in ('train_cfg', 'test_cfg') and path != name:
        types = ()  # of a model: no class
    for kind in types:
        for found in _classes(kind):
            known |= _parameters(found)
    return known | ({'type'} if types else set())


def _classes(name: str) -> Iterator[Any]:
    """Classes and functions of this name in the registries."""
    from mmengine import registry as registries

    from ssl_bench import register_all_modules

    register_all_modules()
    for item in vars(registries).values():
        if isinstance(item, registries.Registry) and item.parent is None:
            yield from _in_registry(item, name)


def _in_registry(registry: Any, name: str) -> Iterator[Any]:
    if name in registry.module_dict:
        yield registry.module_dict[name]
    for child in registry.children.values():
        yield from _in_registry(child, name)


def _parameters(found: Any) -> set[str]:
    """Names that a class or function can be called with.

    Where a constructor passes ``**kwargs`` on, those of its bases too.
    """
    chain = (
        [vars(kind).get('__init__') for kind in found.__mro__]
        if isclass(found)
        else [found]
    )
    names: set[str] = set()
    for function in filter(None, chain):
        try:
            parameters = signature(function).parameters.values()
        except (TypeError, ValueError):  # written in C
            break
        names |= {
            item.name
            for item in parameters
            if item.kind
            in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        }
        if all(item.kind != Parameter.VAR_KEYWORD for item in parameters):
            break
    return names - {'self'}
