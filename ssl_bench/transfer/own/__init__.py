"""A task's config, fitted to own images and labels.

The config first gets stand-ins for the paths, so that its digest is that of
the settings, wherever the data lie; `place` puts the paths there.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ssl_bench.config import rebase
from ssl_bench.tasks.own import OwnData, OwnSplit
from ssl_bench.tasks.table import Task
from ssl_bench.transfer.own import classification, detection, segmentation
from ssl_bench.transfer.own.takers import cannot_take

# of a path; a config has them until `place`
STAND_IN = 'own:{split}/{part}'.format
FITS = {
    ('mmdet', 'coco'): detection.fit,
    ('mmdet', 'voc'): detection.fit,
    ('mmpretrain', 'folders'): classification.fit,
    ('mmseg', 'masks'): segmentation.fit,
}


def fit_own_data(config: Config, row: Task) -> None:
    """Replace loaders, classes and sizes of heads by those of own data.

    Args:
        config (Config): Of the task that ``row`` was made from; changed in
            place.
        row (Task): With own data.

    Raises:
        UserError: The task does not take this kind of data.
    """
    own = row.own
    if own is None:
        return
    scope = str(config.get('default_scope'))
    fit = FITS.get((scope, own.kind))
    if fit is None:
        raise cannot_take(row, own.kind)
    fit(config, row, own)


def place(config: Config, own: OwnData) -> None:
    """Put the paths where `fit_own_data` left stand-ins."""
    for stand_in, path in _places(own):
        for key, value in config.items():
            config[key] = rebase(value, stand_in, path)


def without_places(value: Any, own: OwnData | None) -> Any:
    """A config value with the stand-ins again, wherever the data lie.

    Args:
        value: A dict or list; changed in place.
        own (OwnData, optional): That it was placed for.
    """
    if own is not None:
        for stand_in, path in _places(own):
            value = rebase(value, path, stand_in) if path else value
    return value


def _places(own: OwnData) -> Iterator[tuple[str, str]]:
    """Each stand-in and its path."""
    for name in ('train', 'val'):
        split: OwnSplit = getattr(own, name)
        for part in ('images', 'labels', 'names'):
            yield STAND_IN(split=name, part=part), getattr(split, part)
