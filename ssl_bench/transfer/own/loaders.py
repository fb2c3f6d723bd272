"""Put a data set of own files where a loader has the protocol's."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from mmengine.config import Config

# loaders and the split that each reads
LOADERS = dict(
    train_dataloader='train',
    held_out_dataloader='train',  # a part of the training images
    test_dataloader='val',
)


def replace_sets(
    config: Config, own_set: Callable[[str, Any], dict[str, Any]]
) -> None:
    """Replace the data sets of all loaders.

    A set inside another, which draws from it or repeats it, is replaced
    there; sets that are joined become one.

    Args:
        config (Config): Of a task; changed in place.
        own_set (Callable): From the split and the protocol's set the new
            one.
    """
    for name, split in LOADERS.items():
        if config.get(name):
            loader = config[name]
            loader.dataset = _replaced(loader.dataset, split, own_set)


def _replaced(
    value: Any, split: str, own_set: Callable[[str, Any], dict[str, Any]]
) -> Any:
    if value.get('datasets'):
        return _replaced(value['datasets'][0], split, own_set)
    if value.get('dataset'):
        value['dataset'] = _replaced(value['dataset'], split, own_set)
        return value
    return own_set(split, value)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict in a config value, the value itself first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from nodes(item)


def import_with(config: Config, module: str) -> None:
    """Register what a config now names, here and where it is run alone.

    A probe's config lists no imports.
    """
    import_module(module)
    listed = config.get('custom_imports')
    if listed and module not in listed['imports']:
        listed['imports'] = [*listed['imports'], module]
