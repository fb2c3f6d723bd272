"""A task's config, fitted to own images and labels.

The config first gets stand-ins for the paths, so that its digest is that of
the settings, wherever the data lie; `place` puts the paths there.
"""

from mmengine.config import Config

from ssl_bench.config import rebase
from ssl_bench.errors import UserError
from ssl_bench.tasks.own import OwnData, OwnSplit
from ssl_bench.tasks.table import Task
from ssl_bench.transfer.own import classification, detection, segmentation

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
        raise UserError(f'{row.id}: it does not take {own.kind}.')
    fit(config, row, own)


def place(config: Config, own: OwnData) -> None:
    """Put the paths where `fit_own_data` left stand-ins."""
    for name in ('train', 'val'):
        split: OwnSplit = getattr(own, name)
        for part in ('images', 'labels', 'names'):
            stand_in = STAND_IN(split=name, part=part)
            for key, value in config.items():
                config[key] = rebase(value, stand_in, getattr(split, part))
