"""List the downstream tasks: data, metrics, protocol, cost.

Example: ssl-bench tasks voc0712_det_c4
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ssl_bench.tasks.datasets import Dataset
    from ssl_bench.tasks.table import Task

UNITS = 'metrics are in percent where no unit is named'
HOURS = (
    '* estimates: of the source that `ssl-bench tasks TASK` names, summed '
    "over its GPUs (V100 or A100); models of Detectron2's zoo have no SyncBN"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'tasks', nargs='*', metavar='TASK', help='only these; all if none'
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
    from ssl_bench.tasks.table import find_task, tasks

    if args.protocols:
        if args.tasks:
            raise UserError('--protocols shows every task on frozen maps')
        return protocols(args.update)
    if args.update:
        raise UserError('--update is of --protocols')
    named = [find_task(name) for name in args.tasks]  # before any output
    if named:
        print('\n\n'.join(describe(task, args.data_root) for task in named))
        return 0
    for title, members in groups(tasks().values()).items():
        print(f'{listing(title, members)}\n')
    print(f'{UNITS}\n{HOURS}')
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
    """A table of tasks, a line each."""
    rows = [(title, 'data', 'metrics', 'GPU hours*', 'protocol')]
    rows += [
        (
            task.id,
            task.data.title,
            metrics(task),
            hours(task.gpu_hours),
            task.source,
        )
        for task in members
    ]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join(
        '  '.join(
            f'{cell:{width}}' for cell, width in zip(row, widths)
        ).rstrip()
        for row in rows
    )


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
        f'{task.id}: {task.title}',
        f'  config     {_shown(path)} ({task.toolbox})',
        f'  protocol   {task.source}',
        f'  metrics    {metrics(task)}',
        f'  data       {data.title}: {", ".join(data.paths)}',
        f'             below {root}: {_found(data, root)}',
        f'  prepare    {data.how_to_prepare(root)}',
        f'  recipes    {", ".join(recipes) or "the protocol only"}',
        f'  GPU hours* {hours(task.gpu_hours)}',
        *(
            f'             {hours(value)} with --recipe {name}'
            for name, value in task.recipe_gpu_hours.items()
        ),
        *([f'             {task.cost_source}'] if task.cost_source else []),
        UNITS,
        HOURS,
    ]
    return '\n'.join(lines)


def _shown(path: Path) -> str:
    """A config's path as short as it names the file from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _found(data: 'Dataset', root: str) -> str:
    missing = data.missing(root)
    return f'{len(missing)} missing' if missing else 'all there'
