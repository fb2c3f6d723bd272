"""Draw the loss curves of pretrainings, and write a table of them.

python tools/loss_curves.py work_dirs/mini_all -o docs/loss_curves.png \
    --update docs/pretrain.md

The logs are those that every run leaves in its work dir. Picture and table go
between the marks <!-- curves --> and <!-- /curves --> of the Markdown file,
or the table to the terminal.
"""

import argparse
import os
import sys
from pathlib import Path

from ssl_bench.errors import UserError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'dirs',
        nargs='+',
        metavar='DIR',
        help='folders with work dirs at any depth',
    )
    parser.add_argument('-o', '--out', default='loss_curves.png')
    parser.add_argument(
        '--force', action='store_true', help='replace the picture'
    )
    parser.add_argument(
        '--update',
        metavar='FILE',
        help='a Markdown file to put the table into',
    )
    return parser.parse_args()


def main() -> int:
    """Write the picture and the table."""
    args = parse_args()
    from ssl_bench.files import atomic_path, keep_existing
    from ssl_bench.markdown_sections import replace_section
    from ssl_bench.results.curves import curve_chart, curve_table
    from ssl_bench.results.run_logs import find_runs

    try:
        keep_existing(args.out, args.force)
        runs = find_runs(args.dirs)
        with atomic_path(args.out) as part:
            Path(part).write_bytes(curve_chart(runs))
        table = curve_table(runs)
        if args.update:
            link = os.path.relpath(args.out, Path(args.update).parent)
            text = replace_section(
                Path(args.update).read_text(encoding='utf-8'),
                'curves',
                f'![Loss of each config by iteration]({link})\n\n{table}',
            )
            with atomic_path(args.update) as part:
                Path(part).write_text(text, encoding='utf-8')
    except (UserError, OSError) as error:
        print(f'loss_curves: {error}', file=sys.stderr)
        return 2
    print(args.out if args.update else f'{table}\n{args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
