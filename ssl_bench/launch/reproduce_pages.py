"""The pages about a paper's tables: what a suite needs and should give."""

from collections.abc import Iterator
from pathlib import Path

from ssl_bench.config import load_config
from ssl_bench.launch.costs import cost_lines
from ssl_bench.launch.suite import Run, Suite, read_suite, suites_dir
from ssl_bench.results.markup import grid_to_markdown
from ssl_bench.results.papers import PAPERS, paper_grids
from ssl_bench.results.table import Board
from ssl_bench.tasks.table import find_task

NO_PAPER = ('mini', 'mini_all')  # suites on embedded data


def reproduced() -> list[str]:
    """Suites whose paper's tables are known."""
    return [name for name in PAPERS if _file(name).is_file()]


def other_suites() -> list[str]:
    """Suites of the other papers."""
    return [
        path.stem
        for path in sorted(suites_dir().glob('*.yaml'))
        if path.stem not in (*PAPERS, *NO_PAPER)
    ]


def paper_page(name: str) -> str:
    """Command, data, hours, printed numbers and differences, as Markdown.

    Args:
        name (str): Of a suite and of a paper in `PAPERS`.
    """
    suite = read_suite(_file(name))
    parts = [
        _about(name),
        f'```bash\nssl-bench run {name} --dry-run\nssl-bench run {name}\n'
        f'ssl-bench leaderboard work_dirs/{name} --paper {name}\n```',
        'The first line prints every command and what is missing; the last '
        'one prints the tables below with the reproduced numbers in them.',
        '## Data',
        _data(suite),
        '## GPU hours',
        '\n'.join(f'* {line}' for line in suite_costs(suite)),
        '## Printed numbers',
        *_numbers(name),
        '## What differs from the official programs',
        _differences(suite),
    ]
    return '\n\n'.join(parts)


def _numbers(name: str) -> list[str]:
    """The paper's tables that published.csv has numbers of, and a legend."""
    grids = paper_grids(name, Board([], []))
    filled = [grid for grid in grids if grid.body]
    if filled[-1] is not grids[-1]:
        filled[-1].notes += grids[-1].notes
    return [f'#{grid_to_markdown(grid).strip()}' for grid in filled]


def index_page() -> str:
    """The other suites: what they are, their command and their hours."""
    parts = []
    for name in other_suites():
        suite = read_suite(_file(name))
        parts += [
            f'## {name}',
            _about(name),
            f'```bash\nssl-bench run {name} --dry-run\n```',
            '\n'.join(f'* {line}' for line in suite_costs(suite)),
        ]
    return '\n\n'.join(parts)


def suite_costs(suite: Suite) -> list[str]:
    """What the whole suite costs, as far as sources say (`cost_lines`)."""
    runs: list[Run] = []
    pretrainings = []
    for method in suite.methods:
        mine = suite.runs_of(method)
        runs += [run for run in mine for _ in suite.seeds_of(run.task)]
        if method.config:
            config = load_config(method.config)
            epochs = config.train_cfg.get('max_epochs', 0)
            pretrainings.append((method.config, epochs))
    return cost_lines(runs, pretrainings)


def _file(name: str) -> Path:
    return suites_dir() / f'{name}.yaml'


def _about(name: str) -> str:
    """The comment at the beginning of a suite's file."""
    lines = []
    for line in _file(name).read_text().splitlines():
        if not line.startswith('#'):
            break
        lines.append(line[1:].strip())
    return '\n'.join(lines)


def _tasks(suite: Suite) -> list[str]:
    """Every task of a suite, once."""
    return list(
        dict.fromkeys(
            task for method in suite.methods for task in suite.tasks_of(method)
        )
    )


def _data(suite: Suite) -> str:
    """What has to be there, and the command that checks it."""
    titles = dict.fromkeys(
        find_task(task).data.title for task in _tasks(suite)
    )
    ids = ' '.join(_tasks(suite))
    return '\n'.join(
        [
            'Pretraining reads ImageNet-1K in `data/imagenet/train`. The '
            'tasks read these sets, and the command says what is missing and '
            'how to prepare it:',
            '',
            *(f'* {title}' for title in titles),
            '',
            '```bash',
            f'ssl-bench data check {ids}',
            '```',
        ]
    )


def _differences(suite: Suite) -> str:
    return '\n'.join(_difference_lines(suite))


def _difference_lines(suite: Suite) -> Iterator[str]:
    """Links to where each fact stands: it has one place."""
    yield (
        'Each task says what its source has otherwise, value by value: '
        + ', '.join(
            f'[{task}](../protocols.md#{task})' for task in _tasks(suite)
        )
        + '.'
    )
    yield ''
    yield (
        'What a pretraining does otherwise than its paper or its released '
        'code is in the docstring of the method, under "Deviations", which '
        '`ssl-bench methods NAME` prints, and in its config, in lines that '
        'begin with `# paper:`:'
    )
    yield ''
    names = dict.fromkeys(
        Path(method.config).stem for method in suite.methods if method.config
    )
    for name in names:
        yield f'* `configs/{name}.py`'
