"""List the downstream tasks: data, metrics, protocol, cost.

Example: ssl-bench tasks voc0712_det_c4
"""

import argparse
import ast

HOURS = (
    "* estimates: iterations times the seconds that Detectron2's model "
    'zoo states for 8 V100s, whose models have no SyncBN'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        'tasks', nargs='*', metavar='TASK', help='only these; all if none'
    )
    parser.add_argument(
        '--data-root', help='say whether the data lie below this folder'
    )


def run(args: argparse.Namespace) -> int:
    """Print a paragraph for each named task, or a line for every task."""
    from ssl_bench.tasks.datasets import DATASETS
    from ssl_bench.tasks.table import TASKS, find_task

    for name in args.tasks:
        find_task(name)  # a misspelt name before any output
    if args.tasks:
        print(
            '\n\n'.join(describe(name, args.data_root) for name in args.tasks)
        )
    else:
        rows = [
            ('task', 'data', 'metrics (percent)', 'GPU hours*', 'protocol')
        ]
        rows += [
            (
                name,
                DATASETS[task.dataset].title,
                ', '.join(main_metrics(name)),
                hours(task),
                task.source,
            )
            for name, task in TASKS.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print(
                '  '.join(
                    f'{cell:{width}}' for cell, width in zip(row, widths)
                ).rstrip()
            )
        print(HOURS)
    return 0


def hours(task) -> str:
    """What a run is expected to cost, as far as a source says."""
    return (
        'not known'
        if task.gpu_hours is None
        else f'about {task.gpu_hours:.0f}'
    )


def main_metrics(name: str) -> tuple:
    """What stands in tables."""
    from ssl_bench.results.tasks import task_info

    return task_info(name).metrics


def describe(name: str, data_root: str = None) -> str:
    """Everything the table says of a task."""
    from ssl_bench.results.tasks import task_info
    from ssl_bench.tasks.datasets import DATASETS
    from ssl_bench.tasks.table import find_task

    task = find_task(name)
    data, root = DATASETS[task.dataset], data_root or task.root
    return '\n'.join(
        (
            f'{name}: {task_info(name).title}',
            f'  config     configs/transfer/{name}.py ({task.toolbox})',
            f'  protocol   {task.source}',
            f'  metrics    {", ".join(main_metrics(name))} (percent)',
            f'  data       {data.title}: {", ".join(data.paths)}',
            f'             below {root}: {_found(data, root)}',
            f'  prepare    {data.prepare.format(root=root)}',
            f'  recipes    {_recipes(name)}',
            f'  GPU hours* {hours(task)}',
            HOURS,
        )
    )


def _recipes(name: str) -> str:
    """Names of a config's recipes, read without importing a toolkit."""
    from ssl_bench.config import config_dir

    text = (config_dir() / 'transfer' / f'{name}.py').read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'recipes':
            names = [
                key.arg for key in node.value.keywords if key.arg != '_delete_'
            ]
            return ', '.join(names) or 'the protocol only'
    return 'the protocol only'


def _found(data, root: str) -> str:
    from pathlib import Path

    missing = [p for p in data.paths if not (Path(root) / p).exists()]
    return f'{len(missing)} missing' if missing else 'all there'
