"""Curves of runs, from their logs: for the page, a picture and a table."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ssl_bench.results import rounding, stats
from ssl_bench.results.record import PathLike, Problem
from ssl_bench.results.run_logs import OTHER, PRETRAINING, Run, read_runs
from ssl_bench.results.table import Row

BLUE = '#2c6fbb'  # of the lines of the picture
# what is drawn, where a log has it, with the title of its axis
VALUES = dict(
    loss='Training loss',
    feature_std='Feature deviation × √D',
    feature_rank='Effective rank of features',
    lr='Learning rate',
)
LARGE = 1e300  # larger numbers have no sum
MAX_CURVES = 240
MAX_POINTS = 240  # per curve
MAX_STEPS = 30_000  # of all curves


@dataclass
class Curve:
    """What the page draws of a run.

    Args:
        group, run, label: As of `Run`.
        method (str): ``id`` of its rows; empty if there are none.
        name (str): The method's; the folder when it is not known.
        seed (int, optional): Of the run.
        steps (list[int]): Iterations.
        values (dict[str, list]): Numbers at these, by names of `VALUES`;
            None where the log has none.
        texts (dict[str, dict[str, str]]): The first, last, lowest and
            highest logged number of each.
        lines (int): Of the log, for one point.
    """

    group: str
    method: str
    name: str
    label: str
    run: str
    seed: int | None
    steps: list[int]
    values: dict[str, list[float | None]]
    texts: dict[str, dict[str, str]]
    lines: int


def find_curves(
    dirs: Iterable[PathLike], rows: Iterable[Row] = ()
) -> tuple[list[Curve], list[Problem]]:
    """Curves of all runs under ``dirs``; a resumed run is one curve.

    Where there are too many, each group and method gets a fair share.

    Args:
        dirs: Where logs are looked for.
        rows (Iterable[Row]): Of the board, which know whose the runs are.
    """
    runs, problems = read_runs(dirs, rows)
    runs = [run for run in runs if len(run.rows) > 1]
    shown = in_turns(runs)[:MAX_CURVES]
    if len(runs) > len(shown):
        problems.append(
            Problem(
                'training log',
                f'{len(runs)} curves; the page shows {len(shown)}, a fair '
                'share of each task and method',
            )
        )
    order = {id(run): i for i, run in enumerate(runs)}
    shown.sort(key=lambda run: (_group_order(run), order[id(run)]))
    most = min(MAX_POINTS, MAX_STEPS // max(1, len(shown)))
    return [_curve(run, most) for run in shown], problems


def in_turns(runs: Sequence[Run]) -> list[Run]:
    """The first run of every method on every task, then the second ones."""
    met: dict[tuple[str, str], int] = {}
    turns = []
    for run in runs:
        key = run.group, run.label
        met[key] = met.get(key, -1) + 1
        turns.append((met[key], run))
    return [run for _, run in sorted(turns, key=lambda turn: turn[0])]


def _group_order(run: Run) -> int:
    return {PRETRAINING: 0, OTHER: 2}.get(run.group, 1)


def _curve(run: Run, most: int) -> Curve:
    """A run as the page draws it, with ``most`` points."""
    names = [name for name in VALUES if any(_is_there(run.rows, name))]
    steps, values = thin(run.rows, names, most)
    return Curve(
        group=run.group,
        method=run.owner.method,
        name=run.name,
        label=run.label,
        run=run.folder,
        seed=run.owner.seed,
        steps=steps,
        values=values,
        texts={name: _texts(run.rows, name) for name in names},
        lines=math.ceil(len(run.rows) / most),
    )


def thin(
    rows: Sequence[dict[str, Any]],
    names: Iterable[str],
    most: int = MAX_POINTS,
) -> tuple[list[int], dict[str, list[float | None]]]:
    """At most ``most`` points, in order: means over equal parts.

    Returns:
        tuple: The last step of each part, and its mean of each name; None
        where no line of the part has it.
    """
    count = min(most, len(rows))
    parts = [
        rows[i * len(rows) // count : (i + 1) * len(rows) // count]
        for i in range(count)
    ]
    values: dict[str, list[float | None]] = {}
    for name in names:
        values[name] = []
        for part in parts:
            found = [row[name] for row in part if _is_number(row, name)]
            mean = stats.mean(found) if found else None
            values[name].append(None if mean is None else float(f'{mean:.5g}'))
    return [part[-1]['step'] for part in parts], values


def _is_number(row: dict[str, Any], name: str) -> bool:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -LARGE < value < LARGE  # NaN is not


def _is_there(rows: Iterable[dict[str, Any]], name: str) -> list[bool]:
    return [_is_number(row, name) for row in rows]


def _texts(rows: Iterable[dict[str, Any]], name: str) -> dict[str, str]:
    """The ends and the range of what was logged."""
    found = [row[name] for row in rows if _is_number(row, name)]
    ends = dict(
        first=found[0], last=found[-1], lowest=min(found), highest=max(found)
    )
    return {end: rounding.short(value) for end, value in ends.items()}


def curve_table(runs: Sequence[Run]) -> str:
    """First, greatest and last loss of each config, in Markdown.

    Of several runs of a config the first is shown.
    """
    lines = [
        '| Config | Method | Iterations | Loss: first | greatest (at) | '
        'last | Feature std | Effective rank |',
        '| --- ' * 8 + '|',
    ]
    shown = set()
    for run in runs:
        if run.config in shown:
            continue
        shown.add(run.config)
        first, last, peak = run.rows[0], run.rows[-1], run.peak
        top = (
            f'{peak["loss"]:.3g} ({peak["step"]:g})'
            if run.rises_first
            else 'the first'
        )
        spreads = [
            _from_to(first, last, key, digits)
            for key, digits in (
                ('feature_std', '.2f'),
                ('feature_rank', '.0f'),
            )
        ]
        lines.append(
            f'| `{run.config}` | {run.name} | {last["step"]:g} | '
            f'{first["loss"]:.3g} | {top} | {last["loss"]:.3g} | '
            f'{spreads[0]} | {spreads[1]} |'
        )
    return '\n'.join(lines)


def _from_to(
    first: dict[str, Any], last: dict[str, Any], key: str, digits: str
) -> str:
    if key not in first or key not in last:
        return ''
    return f'{first[key]:{digits}} to {last[key]:{digits}}'


def curve_chart(runs: Sequence[Run]) -> bytes:
    """A PNG with one panel for each config: loss by iteration."""
    import altair as alt
    import vl_convert

    from ssl_bench.results.curve_charts import lines

    panels = []
    for config in dict.fromkeys(run.config for run in runs):
        mine = [run for run in runs if run.config == config]
        rows = [
            dict(
                step=row['step'], value=row['loss'], run=run.folder, color=BLUE
            )
            for run in mine
            for row in run.rows
        ]
        panels.append(
            lines(alt.Chart(alt.InlineData(rows))).properties(
                width=210, height=120, title=f'{mine[0].name}: {config}'
            )
        )
    chart = (
        alt.concat(*panels, columns=3)
        .configure_title(fontSize=11, fontWeight='normal')
        .configure(background='white')
    )
    return vl_convert.vegalite_to_png(chart.to_json(), scale=1.5)
