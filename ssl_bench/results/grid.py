"""Tables for readers, before any markup: cells are lists of marked texts.

Terminal, Markdown, LaTeX and the page without script show the same grids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ssl_bench.errors import shown
from ssl_bench.results import headings, rounding, stats, wording
from ssl_bench.results.published import Published
from ssl_bench.results.ranking import RankTable, rank_tables
from ssl_bench.results.table import Board, Row
from ssl_bench.results.wrapping import wrap

MARKS = {
    'reproduced': '=',
    'within noise': '≈',
    'off': '≠',
    stats.UNDECIDED_ONE_SEED: '',
    '': '',
}
LEGEND = (
    'Mean ± sample standard deviation over n seeds; [..]: 95% interval of the '
    'mean. Marked: no other method of the same backbone and protocol is shown '
    'to be better, and some are shown to be worse. publ.: printed by the '
    'paper; then measured minus printed, with = reproduced (within the '
    'tolerance), ≈ within noise (inside the 95% interval), ≠ off, none: one '
    'seed; ? printed number not checked in its source. ' + wording.RULE
)
BASELINE_LEGEND = 'Δ: against {}, with the 95% interval of the difference.'
RANK_NOTE = (
    'Rank 1 is the best mean of a task. [..]: 95% interval of the average '
    'rank over seeds.'
)
NONE = '-'  # a cell that was not measured
SECTION = 'section'  # the kind of a part that heads the rows below it
CUSTOM = 'custom: '  # how the names of unknown data begin
MAX_METRICS = 12  # shown of a task that is not installed
WIDTH = 44  # characters of a remark under a name
DEPARTED = "other settings or data than the protocol's"
DEPARTED_MARK = '†'
DEPARTED_LEGEND = (
    f'{DEPARTED_MARK} {DEPARTED}: not compared with published numbers'
)


@dataclass(frozen=True)
class Part:
    """One line of a cell.

    Args:
        text (str): What is shown.
        kind (str): ``name``, ``measured``, ``best`` (a measured value of an
            unbeaten row), ``interval``, ``published``, ``difference``,
            `SECTION` (the rest of its row is empty) or ``plain``.
    """

    text: str
    kind: str = 'plain'

    def __post_init__(self) -> None:
        """Names in records come from others."""
        object.__setattr__(self, 'text', shown(self.text))


Cell = list[Part]


@dataclass
class Grid:
    """A table with a title.

    Args:
        heads (list[str]): Column headings; a line break is kept.
        body (list): Rows of cells, as many as there are headings.
        names (int): How many first columns name the row (left-aligned).
        keys (int): How many first columns tell the row from others: names
            and epochs. They are repeated where a table is cut.
        notes (list[str]): Remarks below.
        sparse (bool): Many cells are `NONE`; where the table is cut, rows
            without anything else are left out.
    """

    title: str
    heads: list[str]
    body: list[list[Cell]]
    names: int = 1
    keys: int = 1
    notes: list[str] = field(default_factory=list)
    sparse: bool = False

    def rows(self, columns: Sequence[int]) -> list[list[Cell]]:
        """The rows to show with some of the columns."""
        if not self.sparse or len(columns) == len(self.heads):
            return self.body
        found: list[list[Cell]] = []
        for row in self.body:
            own = [row[i] for i in columns if i >= self.keys]
            section = is_section(row)
            if section and found and is_section(found[-1]):
                found.pop()
            if section or any(p.text != NONE for cell in own for p in cell):
                found.append(row)
        while found and is_section(found[-1]):
            found.pop()
        return found

    def __post_init__(self) -> None:
        """Names of tasks and metrics come from others, too."""
        self.title = shown(self.title)
        self.heads = [
            '\n'.join(shown(line, 100) for line in head.split('\n'))
            for head in self.heads
        ]
        self.notes = [shown(note, 5000) for note in self.notes]


def is_section(row: Sequence[Cell]) -> bool:
    """Whether a row heads those below it."""
    return bool(row[0]) and row[0][0].kind == SECTION


def spread(row: Row) -> str:
    """Mean and deviation of a measured row; empty for another."""
    if row.mean is None:
        return ''
    return rounding.spread(row.mean, row.std, row.places)


def epochs_text(epochs: float | None) -> str:
    """``200``, or empty when not known."""
    return '' if epochs is None else f'{epochs:g}'


def published_text(item: Published) -> str:
    """The number as printed; ``?`` when the source was not read."""
    places = headings.places(item.task, item.metric)
    mark = '' if item.verified else '?'
    return rounding.as_printed(item.value, places) + mark


def comparison(row: Row) -> str:
    """``(+0.3 =)``: measured minus published and the verdict's mark."""
    if row.delta is None:
        return ''
    text = f'{rounding.signed(row.delta, row.places)} {MARKS[row.verdict]}'
    return f'({text.rstrip()})'


def value_cell(row: Row | None) -> Cell:
    """What a task's table shows for one row; empty for None."""
    if row is None:
        return []
    parts = []
    if row.values:
        parts.append(Part(spread(row), 'best' if row.best else 'measured'))
        parts.append(Part(wording.interval(row), 'interval'))
    if row.published is not None:
        text = f'publ. {published_text(row.published)}'
        if row.values:
            text += f' {comparison(row)}'
        parts.append(Part(text, 'published'))
    return parts + difference_parts(row)


def difference_parts(row: Row) -> Cell:
    """How it compares with the baseline, if there is one."""
    if row.difference is None:
        return []
    text = wording.comparison(row.difference, row.places)
    return [Part(f'Δ {text}', 'difference')]


def baseline_notes(board: Board) -> list[str]:
    """What the differences are against, if there is a baseline."""
    if not board.baseline:
        return []
    return [BASELINE_LEGEND.format(board.baseline)]


def methods_of(rows: Sequence[Row], metric: str) -> list[list[Row]]:
    """Rows of a task grouped by method, best in ``metric`` first.

    The same method printed by two papers is two groups, and so are records
    of another config or other data.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        more: tuple[Any, ...] = ()
        if row.values:
            record = row.records[0].record
            more = (
                record['config_sha256'],
                record['data']['fingerprint'],
                row.recipe,
                row.trained,
                tuple(row.departures),
            )
        elif row.published is not None:
            more = (row.published.reported_in, row.published.pretrain_batch)
        groups.setdefault((row.method_id, more), []).append(row)

    def order(group: list[Row]) -> tuple[Any, ...]:
        main = [row for row in group if row.metric == metric]
        return (not main,) + min(row.sort_key[2:] for row in main or group)

    return sorted(groups.values(), key=order)


def shown_metrics(rows: Sequence[Row], task: str) -> list[str]:
    """The task's own metrics in order; the first ones if it has none of them.

    The others (AP by size, kNN with another k) are in the files.
    """
    present = {row.metric for row in rows}
    own = present & set(headings.heading(task).metrics)
    return sorted(
        own or present, key=lambda metric: headings.metric_order(task, metric)
    )[: len(own) or MAX_METRICS]


def name_cell(rows: Sequence[Row]) -> Cell:
    """Method, what was trained and what departed.

    Of a row that was not measured, who printed it.
    """
    first = rows[0]
    parts = [Part(first.name, 'name')]
    if first.recipe:
        parts.append(Part(f'recipe {first.recipe}', 'published'))
    if first.trained_text:
        parts.append(Part(first.trained_text, 'published'))
    if first.pretrain_data.startswith(CUSTOM):
        parts += lines(f'pretrained on {first.pretrain_data}')
    if first.all_departures:
        parts.append(Part(DEPARTED, 'published'))
        for text in first.all_departures:
            parts += lines(text)
    if not first.values and first.published is not None:
        parts.append(Part(f'in {first.published.reported_in}', 'published'))
    return parts


def lines(text: str, kind: str = 'published', width: int = WIDTH) -> Cell:
    """A text that may be long, so that the numbers keep their place."""
    return [Part(line, kind) for line in wrap(shown(text), width)]


def task_grid(board: Board, task: str) -> Grid:
    """Methods down, metrics across, for one task."""
    rows = [row for row in board.rows if row.task == task]
    metrics = shown_metrics(rows, task)
    more = len({row.metric for row in rows}) - len(metrics)
    installed = headings.heading(task).metrics
    body = []
    rows = [row for row in rows if row.metric in metrics]
    several = len({row.backbone for row in rows if row.values}) > 1
    for group in methods_of(rows, metrics[0]):
        by_metric = {row.metric: row for row in group}
        seeds = max(len(row.values) for row in group)
        body.append(
            [
                name_cell(group),
                *([[Part(group[0].backbone)]] if several else []),
                [Part(epochs_text(group[0].pretrain_epochs))],
                [Part(str(seeds or ''))],
                *(value_cell(by_metric.get(metric)) for metric in metrics),
            ]
        )
    arrow = {
        metric: ' (lower is better)'
        if headings.higher_is_better(task, metric) is False
        else ''
        for metric in metrics
    }
    heads = [headings.metric_title(task, m) + arrow[m] for m in metrics]
    return Grid(
        f'{headings.heading(task).title} ({task})',
        ['method', *(['backbone'] if several else []), 'epochs', 'n', *heads],
        body,
        names=1 + several,
        keys=2 + several,
        notes=[f'{more} more metrics are in the CSV and JSON files.']
        if more and not installed
        else [],
    )


def rank_note(table: RankTable) -> str:
    """What the ranks are of, and how far apart they must be."""
    tasks = len(table.tasks)
    if table.critical is None:
        apart = (
            f'With {tasks} tasks and {len(table.rankings)} methods no '
            'difference of average ranks is enough to tell methods apart.'
        )
    else:
        apart = (
            'Methods without a common letter are apart: their average ranks '
            f'differ by {rounding.rank(table.critical)} or more (critical '
            f'difference, 5%, {tasks} tasks).'
        )
    return f'{RANK_NOTE} {apart}'


def rank_grid(table: RankTable) -> Grid:
    """Average ranks of one backbone's methods."""
    body = [
        [
            [Part(r.name, 'name'), *lines('; '.join(r.changes))],
            [Part(epochs_text(r.method_id[4]))],
            [
                Part(rounding.rank(r.average), 'measured'),
                Part(rounding.rank_bounds(r.interval), 'interval'),
            ],
            [Part(r.letters)],
            *([Part(rounding.as_rank(r.ranks[task]))] for task in table.tasks),
        ]
        for r in table.rankings
    ]
    titles = [headings.heading(task).title for task in table.tasks]
    return Grid(
        f'Average rank over tasks, {table.network}',
        ['method', 'epochs', 'rank', 'group', *titles],
        body,
        keys=2,
        notes=[
            rank_note(table),
            *(f'Not ranked: {t}.' for t in table.left_out),
        ],
    )


def grids(board: Board) -> list[Grid]:
    """Every table of the board; the legend is under the last one."""
    found = [task_grid(board, task) for task in board.tasks]
    found += map(rank_grid, rank_tables(board))
    if found:
        found[-1].notes += [LEGEND, *baseline_notes(board)]
    return found
