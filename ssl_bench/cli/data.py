"""Prepare data sets; `data mini` writes the embedded ones.

ssl-bench data mini --root data/mini
"""

import argparse
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.cli.own_data import add_own_data, own_data
from ssl_bench.errors import UserError, printable

if TYPE_CHECKING:
    from ssl_bench.data.mini import Mini, MiniSizes
    from ssl_bench.tasks.own import OwnData

MINI_HELP = """Write the embedded data: an image folder, a VOC devkit and a
COCO set of textured shapes, from a seed, in seconds, without a download."""
CHECK_HELP = """Verify the data of tasks: files, counts, a few decodes,
annotations; what is missing and how to lay it out."""
IMAGES_HELP = """Read every image of a pretraining set as a run would.
List those that are broken, left out (hidden, of another ending) or copies of
others; exit with 1 if any is broken."""
PACK_HELP = """Put the images of a pretraining folder, unchanged, into one file
(.zip, .tar, .lmdb, .parquet) or into numbered ones (`train-*.tar`). A run with
that data_root has the same samples."""
VARIANTS_HELP = """Derive counterparts of ImageNet-A, -R, -Sketch, -C,
Places205, iNaturalist and LVIS from the embedded images, from a seed."""
SUBSET_HELP = """Write a list with a share of every class of an image folder,
drawn from a seed: the 1%% and 10%% labels of in1k_semi1 and in1k_semi10."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one parser for each kind of preparation."""
    commands = parser.add_subparsers(
        dest='data_command', metavar='WHAT', required=True
    )
    mini = commands.add_parser('mini', help=MINI_HELP, description=MINI_HELP)
    add_mini_arguments(mini)
    mini.set_defaults(run_data=run_mini)
    variants = commands.add_parser(
        'variants', help=VARIANTS_HELP, description=VARIANTS_HELP
    )
    variants.add_argument(
        'root',
        nargs='?',
        default='data/mini',
        help='where `data mini` wrote (default: %(default)s)',
    )
    variants.add_argument('--seed', type=int, default=0)
    variants.set_defaults(run_data=run_variants)
    check = commands.add_parser(
        'check', help=CHECK_HELP, description=CHECK_HELP
    )
    check.add_argument(
        'tasks', nargs='+', metavar='TASK', help='task ids, or `all`'
    )
    check.add_argument(
        '--data-root',
        help='folder above VOCdevkit, coco, '
        "imagenet; each task's own if left out",
    )
    check.add_argument(
        '--decode',
        choices=('few', 'all'),
        default='few',
        help='images to open: a few of each list, or all',
    )
    check.add_argument(
        '--work-dir',
        default='work_dirs/transfer',
        help='where a file that is made of own XML files is written, as by '
        'transfer (default: %(default)s)',
    )
    add_own_data(check)
    check.set_defaults(run_data=run_check)
    images = commands.add_parser(
        'check-images', help=IMAGES_HELP, description=IMAGES_HELP
    )
    images.add_argument(
        'folder', help='the data_root of a pretraining: a folder or files'
    )
    images.add_argument(
        '--jobs',
        type=int,
        metavar='N',
        help='processes that read; one for each core if left out',
    )
    images.set_defaults(run_data=run_check_images)
    pack = commands.add_parser('pack', help=PACK_HELP, description=PACK_HELP)
    pack.add_argument('folder', help='the data_root of a pretraining')
    pack.add_argument('output', help='the file, or a name with one *')
    pack.add_argument(
        '--force', action='store_true', help='replace files that are there'
    )
    pack.set_defaults(run_data=run_pack)
    subset = commands.add_parser(
        'subset', help=SUBSET_HELP, description=SUBSET_HELP
    )
    subset.add_argument('folder', help='<class>/<image>')
    subset.add_argument('--percent', type=float, required=True)
    subset.add_argument('--seed', type=int, default=0)
    subset.add_argument('-o', '--out', required=True, help='the list')
    subset.add_argument(
        '--force', action='store_true', help='replace another list'
    )
    subset.set_defaults(run_data=run_subset)


def run(args: argparse.Namespace) -> int:
    """Run the chosen preparation."""
    return args.run_data(args)


def add_mini_arguments(parser: argparse.ArgumentParser) -> None:
    """--root, --seed and one option for each size of `MiniSizes`."""
    parser.add_argument(
        '--root',
        default='data/mini',
        help='folder to make: absent, empty, '
        'or finished with the same settings (default: %(default)s)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='decides every pixel (default: %(default)s)',
    )
    sizes = parser.add_argument_group('sizes', 'default: as the demo uses')
    for name, text in (
        ('imagenet-train', 'images in imagenet/train'),
        ('imagenet-val', 'images in imagenet/val'),
        ('imagenet-px', 'longer side of those, in pixels'),
        ('voc07-trainval', 'VOC2007 trainval images'),
        ('voc07-test', 'VOC2007 test images'),
        ('voc12-trainval', 'VOC2012 trainval images'),
        ('seg-train', 'VOC2012 images with masks, train'),
        ('seg-val', 'VOC2012 images with masks, val'),
        ('coco-train', 'COCO train2017 images'),
        ('coco-val', 'COCO val2017 images'),
        ('nyu-train', 'NYUv2 images with depth maps, train'),
        ('nyu-test', 'NYUv2 images with depth maps, test'),
        ('spair-trn', 'SPair-71k images of each class, trn'),
        ('spair-val', 'SPair-71k images of each class, val'),
        ('spair-test', 'SPair-71k images of each class, test'),
        ('px', "longer side of all images but ImageNet's, in pixels"),
    ):
        sizes.add_argument(f'--{name}', type=int, metavar='N', help=text)


def run_mini(args: argparse.Namespace) -> int:
    """Write the embedded data and say where they are."""
    from dataclasses import fields

    from ssl_bench.data.mini import MiniSizes

    given = {
        entry.name: getattr(args, entry.name)
        for entry in fields(MiniSizes)
        if getattr(args, entry.name) is not None
    }
    started = time.monotonic()
    mini = make_with_bar(args.root, args.seed, MiniSizes(**given))
    state = (
        f'made in {time.monotonic() - started:.1f} s'
        if mini.created
        else 'already there, nothing to do'
    )
    print(
        f'{mini.root}: {mini.manifest["files"]} files, {state}; '
        f'fingerprint {mini.manifest["fingerprint"][:16]}'
    )
    return 0


def run_variants(args: argparse.Namespace) -> int:
    """Derive the sets and say where they are."""
    from ssl_bench.data.mini.variants import make_variants

    made = make_variants(args.root, args.seed)
    print(
        f'{args.root}: variants '
        + ('made' if made else 'already there, nothing to do')
    )
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Say of each task what is wrong with its data; 1 if anything is.

    What the loaders leave out is printed, and is not wrong.

    Raises:
        UserError: The data root is not there.
    """
    from ssl_bench.tasks.check import check_task, no_root
    from ssl_bench.tasks.custom import named_task
    from ssl_bench.tasks.datasets import Dataset
    from ssl_bench.tasks.layouts import Line, Note, Problem
    from ssl_bench.tasks.table import tasks

    table, wrong = tasks(), 0
    names = list(args.tasks)
    own = own_data(args)
    if own is not None:
        names = on_own_data(names, own, args.work_dir)
    elif names == ['all']:
        reason = no_root(args.data_root) if args.data_root else ''
        if reason:
            raise UserError(f'{reason}.')
        names = [*table, *table.broken]
    known: dict[tuple[Dataset, bool], list[Line]] = {}
    for name in names:
        try:
            row = named_task(name)
            key = row.data, row.toolbox == 'probe'  # many tasks share a set
            if key not in known:
                every = args.decode == 'all'
                known[key] = check_task(row.id, args.data_root, every)
            lines = known[key]
        except UserError as error:
            if len(names) == 1:
                raise
            lines = [Problem(str(error))]
        notes = [line for line in lines if isinstance(line, Note)]
        problems = [line for line in lines if line not in notes]
        wrong += bool(problems)
        said = [*(map(str, problems) if problems else ['fine']), *notes]
        print(printable(f'{name}: {"; ".join(said)}'), flush=True)
    if len(names) > 1:
        print(f'{len(names) - wrong} of {len(names)} tasks have their data')
    return int(wrong > 0)


def on_own_data(names: list[str], own: 'OwnData', folder: str) -> list[str]:
    """Ids of the tasks on own data.

    Raises:
        UserError: A task does not take them; or all tasks were named.
    """
    from ssl_bench.tasks import table
    from ssl_bench.transfer.own.takers import require_taken

    if names == ['all']:
        raise UserError(
            "`all` is of the tasks' own data sets: name the tasks to check "
            'with --train-data and --val-data.'
        )
    rows = [table.on_own_data(name, own, folder) for name in names]
    for row in rows:
        if row.own is not None:
            require_taken(row, row.own.kind)
    return [row.id for row in rows]


def run_check_images(args: argparse.Namespace) -> int:
    """A line for each file that a pretraining cannot use; 1 if any is broken.

    What is left out, and copies, are printed, and are not wrong.
    """
    from ssl_bench.data.check_images import check_images, faults, summary

    if args.jobs is not None and args.jobs < 1:
        raise UserError(f'--jobs must be at least 1, not {args.jobs}.')
    started = time.monotonic()
    with progress('images read') as show:
        found = check_images(args.folder, args.jobs, show)
    seconds = time.monotonic() - started
    for path in found.others:
        print(printable(f'left out: {path}'))
    for path in found.hidden:
        print(printable(f'left out: {path} (hidden, or a link to nowhere)'))
    for line in faults(found):
        print(line)
    print(
        f'{summary(found)}. {seconds:.0f} s, '
        f'{len(found.images) / max(seconds, 1e-9):.0f} images a second.'
    )
    return int(bool(found.broken))


def run_pack(args: argparse.Namespace) -> int:
    """Write the files and say how many."""
    from ssl_bench.data.storage.pack import pack

    with progress('images written') as show:
        files = pack(args.folder, args.output, args.force, show)
    print(
        f'{args.output}: {len(files)} file{"s" * (len(files) > 1)}; '
        f'ssl-bench pretrain CONFIG --data {shlex.quote(args.output)} reads '
        'them'
    )
    return 0


def run_subset(args: argparse.Namespace) -> int:
    """Write the list and say how long it is."""
    from ssl_bench.tasks.subsets import write_subset

    count = write_subset(
        args.folder, args.percent, args.out, args.seed, args.force
    )
    print(
        f'{args.out}: {count} images, {args.percent:g}% of each class, '
        f'seed {args.seed}'
    )
    return 0


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress line, as a function of the steps done and their number."""
    from ssl_bench.progress import ProgressLine

    lines: list[ProgressLine] = []

    def show(done: int, total: int) -> None:
        if not lines:
            lines.append(ProgressLine(title, total))
        lines[0].update(done)

    try:
        yield show
    finally:
        for line in lines:
            line.stop()


def make_with_bar(root: Path, seed: int, sizes: 'MiniSizes') -> 'Mini':
    """`make_mini` with a progress line."""
    from ssl_bench.data.mini import make_mini

    with progress('embedded data') as show:
        return make_mini(root, seed, sizes, show)
