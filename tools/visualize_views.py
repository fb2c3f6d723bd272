"""Write a contact sheet of the views of a config.

It shows the views of the config's own data, with what the method knows about
them (docs/pretrain.md lists the marks); by default, each of two views has the
outline of the other one.

python tools/visualize_views.py configs/mini/insloc_r18_fpn.py -o views.png
"""

import argparse
import sys

from ssl_bench.cfg_options import add_cfg_options, read_options
from ssl_bench.errors import UserError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='a pretraining config')
    parser.add_argument('-o', '--out', default='views.png')
    parser.add_argument(
        '--force', action='store_true', help='replace the picture'
    )
    parser.add_argument('-n', '--samples', type=int, default=16)
    parser.add_argument(
        '--checkpoint',
        help='of a run of the config, for a method whose sheet shows what '
        'the model has learnt; random initialisation if left out',
    )
    add_cfg_options(parser, 'replace settings of the config')
    return parser.parse_args()


def main() -> int:
    """Write the sheet and name it."""
    args = parse_args()
    from ssl_bench.config import load_config
    from ssl_bench.engine.view_sheet import write_views
    from ssl_bench.files import keep_existing

    try:
        keep_existing(args.out, args.force)
        config = load_config(args.config, read_options(args.cfg_options))
        write_views(config, args.out, args.samples, args.checkpoint)
    except UserError as error:
        print(f'visualize_views: {error}', file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
