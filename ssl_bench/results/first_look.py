"""What a small comparison shows, on one screen of a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ssl_bench.results import headings, rounding, stats, wording
from ssl_bench.results.grid import Grid, Part
from ssl_bench.results.names import is_random
from ssl_bench.results.table import Board, Row, main_metrics
from ssl_bench.results.terminal import to_rich
from ssl_bench.results.verdicts import trial_note

SIGNS = {stats.BETTER: '+', stats.WORSE: '-'}


def first_look(board: Board, width: int) -> RenderableType:
    """What was pretrained, what the frozen networks show, and the rest.

    Args:
        board (Board): Of one backbone, with a baseline.
        width (int): Columns of the terminal.
    """
    several, single = _main_rows(board)
    note = trial_note(board)
    parts: list[RenderableType] = [Text(line) for line in pretrained(board)]
    if note:
        parts.append(Text(note, 'bold'))
    if several:
        title = f'Mean of {_seeds(several)} seeds [95% interval]'
        parts += ['', to_rich(_table(several, title, board), width)]
        differences = _differences(several)
        if differences and not note:
            parts.append(_against(differences, str(board.baseline)))
    if single:
        title = 'One seed: undecided, whatever the numbers'
        parts += ['', to_rich(_table(single, title, board), width)]
    return Group(*parts)


def pretrained(board: Board) -> list[str]:
    """What was pretrained, how long, on what, and how often.

    ``pretrained: MoCo v2 for 10 epochs, 3 times``, then
    ``  ResNet-18 on mini (800 images)``.
    """
    names: dict[str, dict[str, set[str]]] = {}
    for row in board.measured:
        for stored in row.records:
            group = stored.record['pretrain']
            if is_random(row.method) or group['epochs'] is None:
                continue
            data, images = (
                str(group['data']),
                f'({group.get("images")} images)',
            )
            if group.get('images') and images not in data:
                data += f' {images}'
            count = group['epochs']
            name = f'{row.name} for {count:g} epoch{"s"[: count != 1]}'
            weights = str(group['checkpoint_sha256'])
            place = f'  {row.backbone} on {data}'
            methods = names.setdefault(place, {})
            methods.setdefault(name, set()).add(weights)
    lines: list[str] = []
    for place, methods in names.items():
        times = [len(weights) for weights in methods.values()]
        same = len({*times}) == 1 and times[0] > 1
        each = f', {times[0]} times each' if same else ''
        lines += [f'pretrained: {", ".join(methods)}{each}', place]
    return lines


def _main_rows(board: Board) -> tuple[list[Row], list[Row]]:
    """Rows of the main metrics: tasks with several seeds, and the others.

    Boxes and masks of a task each have one.
    """
    mains = main_metrics(board)
    rows = [
        row
        for row in board.measured
        if row.metric == mains[row.task]
        or row.metric.partition('_')[2] == mains[row.task].partition('_')[2]
        and '_' in row.metric
    ]
    several = {row.task for row in rows if len(row.values) > 1}
    return (
        [row for row in rows if row.task in several],
        [row for row in rows if row.task not in several],
    )


def _seeds(rows: Sequence[Row]) -> str:
    counts = {len(row.values) for row in rows}
    return ' to '.join(str(n) for n in sorted({min(counts), max(counts)}))


def _table(rows: Sequence[Row], title: str, board: Board) -> Grid:
    """Methods down, tasks across."""
    columns = sorted(
        {(row.task, row.metric) for row in rows},
        key=lambda column: (
            _order(rows, column[0]),
            headings.metric_order(*column),
        ),
    )
    names = list(dict.fromkeys(row.name for row in rows))
    names.sort(key=lambda name: is_random(name))
    cells = {(row.name, row.task, row.metric): row for row in rows}
    body = [
        [
            [Part(name, 'name')],
            *(_cell(cells.get((name, *c))) for c in columns),
        ]
        for name in names
    ]
    marks = {SIGNS.get(r.difference.answer) for r in rows if r.difference}
    notes = (
        [f'+ / -: shown to be better / worse than {board.baseline}']
        if marks & {*SIGNS.values()}
        else []
    )
    heads = [_head(task, metric) for task, metric in columns]
    return Grid(title, ['', *heads], body, notes=notes)


def _order(
    rows: Sequence[Row], task: str
) -> tuple[bool, tuple[int, int, str]]:
    """Tasks of which something is shown come first."""
    shown = any(
        row.task == task and row.difference and row.difference.decided
        for row in rows
    )
    return not shown, headings.task_order(task)


def _head(task: str, metric: str) -> str:
    better = headings.higher_is_better(task, metric)
    less = ' (less is better)' if better is False else ''
    title = headings.metric_title(task, metric)
    return f'{headings.heading(task).title}\n{title}{less}'


def _cell(row: Row | None) -> list[Part]:
    if row is None or row.mean is None:
        return []
    sign = SIGNS.get(row.difference.answer, '') if row.difference else ''
    mean = rounding.fixed(row.mean, row.places)
    parts = [Part(f'{mean} {sign}'.strip(), 'measured')]
    if row.interval is not None:
        text = rounding.bounds(row.interval, row.places)
        parts.append(Part(text, 'interval'))
    return parts


def _differences(rows: Sequence[Row]) -> list[Row]:
    return sorted(
        (row for row in rows if row.difference and row.difference.interval),
        key=lambda row: (_order(rows, row.task), row.place or 0),
    )


def _against(rows: Sequence[Row], baseline: str) -> RenderableType:
    """A line for each task and method: how it compares with the baseline."""
    shown = Table.grid(padding=(0, 2, 0, 0))
    before = ''
    for row in rows:
        title = headings.heading(row.task).title
        assert row.difference is not None  # by `_differences`
        shown.add_row(
            '' if title == before else title,
            row.short_name,
            wording.comparison(row.difference, row.places),
        )
        before = title
    return Group(Text(f'Against {baseline}, paired by seed:', 'bold'), shown)
