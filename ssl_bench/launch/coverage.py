"""Which printed cells of a paper its suite runs, and why it leaves others.

``suites/PAPER.yaml`` is the suite of the paper's tables. A cell that it does
not run has a reason in docs/protocols.md, in the table of the section
``REASONS``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.launch.suite import Method, Run, Suite, read_suite
from ssl_bench.results.names import (
    data_key,
    is_random,
    is_supervised,
    method_key,
    variant_key,
)
from ssl_bench.results.papers import PAPERS, fits
from ssl_bench.results.published import Published, published
from ssl_bench.transfer.source import LABELS, RANDOM, SUPERVISED

REASONS = '# Printed cells that no suite runs'
ALL = 'all'  # in the column of tasks


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
    """What a row of a suite will be when it has been measured."""

    method: str
    variant: str
    data: str
    epochs: float | None
    run: Run

    def measures(self, cell: Published) -> bool:
        """Whether a printed cell is of this method and task.

        A control has any number of epochs. A cell without epochs is of the
        method's only model in the paper.
        """
        if (
            self.run.task != cell.task
            or method_key(self.method) != method_key(cell.method)
            or not (
                is_random(cell.method)
                or data_key(self.data) == data_key(cell.pretrain_data)
            )
        ):
            return False
        if is_random(cell.method) or is_supervised(cell.method):
            return True
        same = variant_key(self.variant, cell.task) == variant_key(
            cell.variant, cell.task
        )
        return same and cell.pretrain_epochs in (None, self.epochs)


def coverage(paper: str) -> Coverage:
    """Sort the printed cells of a paper.

    Args:
        paper (str): Key of `results.papers.PAPERS`, and name of the suite.

    Raises:
        UserError: Unknown paper, or docs/protocols.md is not there.
    """
    if paper not in PAPERS:
        raise unknown_name('paper', paper, PAPERS)
    rows = list(planned(read_suite(paper)))
    reasons = read_reasons()
    found = Coverage()
    for cell in published():
        if cell.paper != PAPERS[paper].reported_in:
            continue
        why = next((r.why for r in reasons if r.holds(cell)), None)
        if why is not None:
            found.reasoned.append((cell, why))
        elif any(row.measures(cell) for row in rows):
            found.run.append(cell)
        else:
            found.uncovered.append(cell)
    return found


def planned(suite: Suite) -> Iterator[Planned]:
    """Every method with each of its runs."""
    for method in suite.methods:
        known = _identity(method)
        for run in suite.runs_of(method):
            yield Planned(*known, run)


def _identity(method: Method) -> tuple[str, str, str, float | None]:
    """Method, variant, pretraining data and epochs, as a record has them."""
    if method.checkpoint == RANDOM:
        return 'Random init', '', 'none', None
    if method.checkpoint.startswith(f'{SUPERVISED}='):
        return LABELS['method'], method.variant, LABELS['pretrain_data'], None
    if method.checkpoint:
        return method.name, method.variant, '', None
    config = load_config(method.config, method.overrides)
    return (
        method.name or config.method.name,
        method.variant or config.method.get('variant') or '',
        config.get('pretrain_data', ''),
        config.train_cfg.max_epochs,
    )


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
