"""Which printed cells of a paper its suite runs, and why it leaves others.

``suites/PAPER.yaml`` is the suite of the paper's tables. A cell that it does
not run has a reason in docs/protocols.md, in the table of the section
``REASONS``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.launch.suite import Method, Suite, read_suite
from ssl_bench.results.names import is_supervised
from ssl_bench.results.papers import PAPERS, fits
from ssl_bench.results.published import Published, PublishedIndex, published
from ssl_bench.results.record import FULL
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer.source import LABELS, RANDOM, SUPERVISED

REASONS = '# Printed cells that no suite runs'
ALL = 'all'  # in the column of tasks
IMAGENET = 'IN1K'  # what the papers' suites pretrain on


@dataclass
class Coverage:
    """The printed cells of a paper, each in one of the lists.

    Attributes:
        run (list[Published]): A method and task of the suite measure it.
        reasoned (list[tuple[Published, str]]): With the reason why not.
        uncovered (list[Published]): Neither.
    """

    run: list[Published] = field(default_factory=list)
    reasoned: list[tuple[Published, str]] = field(default_factory=list)
    uncovered: list[Published] = field(default_factory=list)

    def __str__(self) -> str:
        cells = len(self.run) + len(self.reasoned) + len(self.uncovered)
        return (
            f'{cells} printed cells: {len(self.run)} are run, '
            f'{len(self.reasoned)} are not, with a reason, '
            f'{len(self.uncovered)} without'
        )


class Reason(NamedTuple):
    """A row of the table in docs/protocols.md.

    Args:
        paper (str): As in published.csv.
        method (str): Rows of it: ``method/variant@epochs``, the last two
            where only some rows are meant (`papers.fits`).
        tasks (tuple[str, ...]): Ids, or `ALL`.
        why (str): For people.
    """

    paper: str
    method: str
    tasks: tuple[str, ...]
    why: str

    def holds(self, cell: Published) -> bool:
        """Whether it is about a cell."""
        return (
            self.paper == cell.paper
            and fits(cell, self.method) > 0
            and (self.tasks == (ALL,) or cell.task in self.tasks)
        )


class Planned(NamedTuple):
    """A row that a suite will measure, for `PublishedIndex.matches`.

    Args:
        method_id (tuple): As of a row of the leaderboard.
        task, metric, recipe (str): Of the run.
        departures, pretrain_departures (tuple): A suite has none.
        pretrain_batch (float, optional): Orders equal matches only.
        trained (str): Of the run.
    """

    method_id: tuple[str, str, str, str, float | None]
    task: str
    metric: str
    recipe: str
    departures: tuple[str, ...] = ()
    pretrain_departures: tuple[str, ...] = ()
    pretrain_batch: float | None = None
    trained: str = FULL


def coverage(paper: str) -> Coverage:
    """Sort the printed cells of a paper.

    Args:
        paper (str): Key of `results.papers.PAPERS`, and name of the suite.

    Raises:
        UserError: Unknown paper, or docs/protocols.md is not there.
    """
    if paper not in PAPERS:
        raise unknown_name('paper', paper, PAPERS)
    cells = [
        cell for cell in published() if cell.paper == PAPERS[paper].reported_in
    ]
    measured = _measured(read_suite(paper), cells)
    reasons = read_reasons()
    found = Coverage()
    for cell in cells:
        why = next((r.why for r in reasons if r.holds(cell)), None)
        if cell in measured:
            found.run.append(cell)
        elif why is not None:
            found.reasoned.append((cell, why))
        else:
            found.uncovered.append(cell)
    return found


def _measured(suite: Suite, cells: Sequence[Published]) -> set[Published]:
    """The printed cells that the rows of a suite will be compared with."""
    index, found = PublishedIndex(cells), set()
    for method in suite.methods:
        known = _identities(method, cells)
        for run in suite.runs_of(method):
            for metric in find_task(run.task).metrics:
                for method_id in known:
                    row = Planned(
                        method_id,
                        run.task,
                        metric,
                        run.recipe,
                        trained=run.train,
                    )
                    found.update(index.matches(row))
    return found


def _identities(
    method: Method, cells: Sequence[Published]
) -> list[tuple[str, str, str, str, float | None]]:
    """Method, variant, backbone, data and epochs, as a record will have them.

    The architecture is that of the cells, where the task decides it, and so
    is which of the supervised networks a file holds.
    """
    if method.config:
        config = load_config(method.config, method.overrides)
        name = method.name or config.method.name
        variant = method.variant or config.method.get('variant') or ''
        data, epochs = IMAGENET, config.train_cfg.max_epochs
    elif method.checkpoint == RANDOM:
        name, variant, data, epochs = 'Random init', '', 'none', None
    elif method.checkpoint.startswith(f'{SUPERVISED}='):
        name, data, epochs = LABELS['method'], LABELS['pretrain_data'], None
        variants = (
            {method.variant}
            if method.variant
            else {cell.variant for cell in cells if is_supervised(cell.method)}
        )
        return [
            (name, variant, backbone, data, epochs)
            for variant in sorted(variants)
            for backbone in sorted({cell.backbone for cell in cells})
        ]
    else:
        return []  # what it is, only the file tells
    return [
        (name, variant, backbone, data, epochs)
        for backbone in sorted({cell.backbone for cell in cells})
    ]


def read_reasons(path: Path | None = None) -> list[Reason]:
    """The table of docs/protocols.md.

    Raises:
        UserError: The file is not there, as in an installation without the
            repository, or the table is not in it.
    """
    path = path or config_dir().parent / 'docs/protocols.md'
    if not path.is_file():
        raise UserError(
            f'{path} is not there: the reasons for cells that are not run are '
            'in the repository of ssl-bench. Run this from a checkout.'
        )
    _, found, section = path.read_text(encoding='utf-8').partition(REASONS)
    if not found:
        raise UserError(f'{path} has no section {REASONS!r}.')
    rows = []
    for line in section.splitlines():
        if line.startswith('# '):
            break
        if line.startswith('|'):
            rows.append([cell.strip() for cell in line.strip('| ').split('|')])
    return [
        Reason(
            paper,
            method,
            tuple(task.strip(' `') for task in tasks.split(',')),
            why,
        )
        for paper, method, tasks, why in rows[2:]  # below head and rule
    ]
