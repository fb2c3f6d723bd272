"""List the downstream tasks: data, metrics, protocol, cost.

Example: ssl-bench tasks voc0712_det_c4
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ssl_bench.tasks.datasets import Dataset
    from ssl_bench.tasks.table import Task

WIDTH = 80  # columns
GAP = '  '
UNITS = 'metrics are in percent where no unit is named'
HOURS = (
    '* estimates: of the source that `ssl-bench tasks TASK` names, summed '
    "over its GPUs (V100 or A100); models of Detectron2's zoo have no SyncBN"
)
LEGEND = (
    'A line: task, data, main metric, GPU hours* (- not known). '
    '`ssl-bench tasks TASK` says more of one.'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'tasks',
        nargs='*',
        metavar='TASK',
        help='only these, by id or by file (my_task.py); all if none',
    )
    parser.add_argument(
        '--data-root', help='say whether the data are below this folder'
    )
    parser.add_argument(
        '--protocols',
        action='store_true',
        help='what each task on frozen maps decides, read from its config, '
        'as a Markdown table',
    )
    parser.add_argument(
        '--update',
        metavar='FILE',
        help='for --protocols: replace the table between the marks of this '
        'Markdown file',
    )


def run(args: argparse.Namespace) -> int:
    """Print a paragraph for each named task, or a line for every task."""
    from ssl_bench.errors import UserError
    from ssl_bench.tasks.custom import named_task
    from ssl_bench.tasks.table import tasks

    if args.protocols:
        if args.tasks:
            raise UserError('--protocols shows every task on frozen maps')
        return protocols(args.update)
    if args.update:
        raise UserError('--update is of --protocols')
    named = [named_task(name) for name in args.tasks]  # before any output
    if named:
        print('\n\n'.join(describe(task, args.data_root) for task in named))
        return 0
    print(f'{folded(LEGEND)}\n')
    for title, members in groups(tasks().values()).items():
        print(f'{listing(title, members)}\n')
    print(f'{folded(UNITS)}\n{folded(HOURS)}')
    for problem in tasks().broken.values():
        print(f'warning: {printable(problem)}', file=sys.stderr)
    return 0


def protocols(page: str | None) -> int:
    """Print the table of protocols, or write it into a page."""
    from ssl_bench.markdown_sections import replace_section, update_page
    from ssl_bench.tasks.protocol_table import protocol_table

    if page is None:
        print(protocol_table())
    else:
        table = protocol_table()
        update_page(
            page, lambda text: replace_section(text, 'protocols', table)
        )
    return 0


def groups(found: 'Iterable[Task]') -> 'dict[str, list[Task]]':
    """Tasks by their group, those on embedded data apart from the others."""
    from ssl_bench.tasks.datasets import MINI_ROOT

    parts: dict[str, list[Task]] = {}
    for task in found:
        mini = ', embedded data' if task.root == MINI_ROOT else ''
        parts.setdefault(task.group + mini, []).append(task)
    return parts


def listing(title: str, members: 'list[Task]') -> str:
    """A group's heading, then a line for each task; long data are folded."""
    rows = [
        (
            task.id,
            task.data.title,
            main_metric(task),
            '-' if task.gpu_hours is None else f'{task.gpu_hours:.0f}',
        )
        for task in members
    ]
    name, _, metric, cost = (max(map(len, column)) for column in zip(*rows))
    # an indent of two; what the others leave is for the data
    room = WIDTH - name - metric - cost - 4 * len(GAP)
    room = min(room, max(len(data) for _, data, _, _ in rows))
    lines = [title]
    for task, data, main, price in rows:
        first, *rest = textwrap.wrap(data, room) or ['']
        lines.append(
            f'{GAP}{task:{name}}{GAP}{first:{room}}{GAP}{main:{metric}}'
            f'{GAP}{price:>{cost}}'
        )
        lines += [f'{GAP}{"":{name}}{GAP}{line}' for line in rest]
    return '\n'.join(lines)


def folded(text: str, name: str = '') -> str:
    """A text in lines of `WIDTH` columns, after a name; words are not cut."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=name,
        subsequent_indent=' ' * len(name),
        break_long_words=False,
        break_on_hyphens=False,
    )


def main_metric(task: 'Task') -> str:
    """The one that decides: ``mIoU``."""
    from ssl_bench.results.headings import metric_title

    return metric_title(task.id, task.shown[0])


def metrics(task: 'Task') -> str:
    """What its tables show: ``mIoU``, ``RMSE in metres``."""
    from ssl_bench.results.headings import metric_title

    return ', '.join(metric_title(task.id, name) for name in task.shown)


def hours(value: float | None) -> str:
    """What a run is expected to cost, as far as a source says."""
    return 'not known' if value is None else f'about {value:.0f}'


def describe(task: 'Task', data_root: str | None = None) -> str:
    """Everything the table says of a task."""
    from ssl_bench.tasks.table import recipes_of, task_config

    data, root = task.data, data_root or task.root
    path, recipes = task_config(task.id), recipes_of(task.id)
    lines = [
        ('config', f'{_shown(path)} ({task.toolbox})'),
        ('protocol', task.source),
        ('metrics', metrics(task)),
        ('data', f'{data.title}, below {root}: {_found(data, root)}'),
        *(('', path) for path in data.paths),
        *commands(data.how_to_prepare(root)),
        ('recipes', ', '.join(recipes) or 'the protocol only'),
        ('GPU hours*', hours(task.gpu_hours)),
        *(
            ('', f'{hours(value)} with --recipe {name}')
            for name, value in task.recipe_gpu_hours.items()
        ),
        *([('', task.cost_source)] if task.cost_source else []),
    ]
    return '\n'.join(
        [
            f'{task.id}: {task.title}',
            *(folded(text, f'  {name:10} ') for name, text in lines),
            folded(UNITS),
            folded(HOURS),
        ]
    )


def commands(text: str) -> 'Iterator[tuple[str, str]]':
    """What prepares the data, a line for each step; a shell takes it so."""
    name = 'prepare'
    for line in re.split(r'(?<=&&) |(?<=; do) ', text):
        yield name, line
        name = ''


def _shown(path: Path) -> str:
    """A config's path as short as it names the file from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _found(data: 'Dataset', root: str) -> str:
    missing = data.missing(root)
    return f'{len(missing)} missing' if missing else 'all there'
