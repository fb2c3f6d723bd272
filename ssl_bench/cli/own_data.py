"""Options that name own images and labels, of `transfer` and `judge`."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssl_bench.tasks.own import OwnData


def add_own_data(
    parser: argparse.ArgumentParser, required: bool = False
) -> None:
    """--train-data, --val-data, --classes, --data-name."""
    group = parser.add_argument_group(
        'own images and labels',
        'a folder with one folder for each class; or a folder of images '
        "and\nCOCO's JSON file, VOC's folder of XML files, or a folder of "
        'masks\n(PNG, with --classes)',
    )
    for split in ('train', 'val'):
        group.add_argument(
            f'--{split}-data',
            nargs='+',
            required=required,
            metavar='PATH',
            help='IMAGES [LABELS [NAMES]]: '
            + ('to train on' if split == 'train' else 'to test on'),
        )
    group.add_argument(
        '--classes',
        metavar='FILE',
        help='one class in a line, in the order of the labels',
    )
    group.add_argument(
        '--data-name',
        metavar='NAME',
        help='rows are called custom:NAME; the name of the folder above the '
        'training images if left out',
    )


def own_data(args: argparse.Namespace) -> 'OwnData | None':
    """The data that the options name, read and checked; None without.

    Raises:
        UserError: As `read_own_data`, or options that need each other.
    """
    from ssl_bench.errors import UserError
    from ssl_bench.tasks.own import read_own_data

    if not args.train_data and not args.val_data:
        for name in ('classes', 'data_name'):
            if getattr(args, name):
                raise UserError(
                    f'--{name.replace("_", "-")} is of own data: name them '
                    'with --train-data and --val-data.'
                )
        return None
    for name in ('train', 'val'):
        if not getattr(args, f'{name}_data'):
            raise UserError(
                f'--{name}-data is missing: own data need --train-data and '
                '--val-data.'
            )
    if getattr(args, 'data_root', None):
        raise UserError(
            '--data-root is above the data sets of the tasks: leave it out '
            'with --train-data and --val-data.'
        )
    return read_own_data(
        args.train_data, args.val_data, args.classes, args.data_name
    )
