"""The leaderboard on a terminal: one table per task, methods down."""
from typing import Dict, List, Optional

from ssl_bench.results import tasks
from ssl_bench.results.table import Board, Row


def metric_title(metric: str) -> str:
    """Heading of a metric: ``bbox_AP50`` is ``box AP50``."""
    return metric.replace('bbox_', 'box ').replace(
        'segm_', 'mask ').replace('_', ' ')


def spread(row: Row) -> str:
    """Mean and deviation, one decimal: ``57.3 ± 0.2``, or ``57.3``."""
    if row.mean is None:
        return ''
    if row.std is None:
        return f'{row.mean:.1f}'
    return f'{row.mean:.1f} ± {row.std:.1f}'


def epochs_title(epochs: Optional[float]) -> str:
    """``200``, or empty when not known."""
    return '' if epochs is None else f'{epochs:g}'


def methods_of(rows: List[Row], metric: str) -> List[List[Row]]:
    """Rows of a task grouped by method, best in ``metric`` first.

    Printed numbers of different papers stay apart; a measured method comes
    before a printed one only if its number is better.
    """
    groups: Dict[tuple, List[Row]] = {}
    for row in rows:
        paper = '' if row.values else row.published.reported_in
        configs = {s.record['config_sha256'] for s in row.records}
        data = {str(s.record['data']['fingerprint']) for s in row.records}
        key = row.method_id + (paper, *sorted(configs), *sorted(data))
        groups.setdefault(key, []).append(row)

    def order(group: List[Row]) -> tuple:
        for row in group:
            if row.metric == metric:
                return (0, ) + row.sort_key[2:]
        return (1, ) + min(row.sort_key for row in group)[2:]

    return sorted(groups.values(), key=order)


def metrics_of(rows: List[Row], task: str) -> List[str]:
    """Metrics of a task in reading order."""
    return sorted({row.metric for row in rows},
                  key=lambda metric: tasks.metric_order(task, metric))


def difference_text(row: Row) -> str:
    """``+1.2 [0.3, 2.1]``; ``≈`` where the interval holds zero."""
    found = row.difference
    if found is None:
        return ''
    text = f'{found.mean:+.1f}'
    if found.interval:
        low, high = found.interval
        text += f' [{low:+.1f}, {high:+.1f}]'
    return text + (' ≈' if found.within_noise else '')


def _cell(row: Optional[Row]) -> str:
    if row is None:
        return ''
    lines = [f'[bold]{spread(row)}[/bold]'] if row.values else []
    if row.published is not None:
        text = f'{row.published.value:.1f} publ.'
        if row.delta is not None:
            text += f' ({row.delta:+.1f}, {row.verdict})'
        mark = '' if row.published.verified else '?'
        lines.append(f'[dim]{text}{mark}[/dim]')
    if row.difference is not None:
        lines.append(f'[cyan]{difference_text(row)}[/cyan]'.replace(
            ' [', r' \['))
    return '\n'.join(lines)


def task_table(board: Board, task: str):
    """A ``rich.table.Table`` of one task."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table
    rows = [row for row in board.rows if row.task == task]
    metrics = metrics_of(rows, task)
    table = Table(title=f'{tasks.task_info(task).title}  [dim]{task}[/dim]',
                  title_justify='left', box=box.SIMPLE_HEAD)
    table.add_column('method', no_wrap=True)
    table.add_column('epochs', justify='right')
    table.add_column('n', justify='right')
    for metric in metrics:
        table.add_column(metric_title(metric), justify='right')
    for group in methods_of(rows, metrics[0]):
        by_metric = {row.metric: row for row in group}
        first = group[0]
        name = escape(first.name)
        if not first.values:
            name += f' [dim]{escape(first.published.reported_in)}[/dim]'
        count = max(len(row.values) for row in group)
        table.add_row(name, epochs_title(first.pretrain_epochs),
                      str(count or ''),
                      *(_cell(by_metric.get(metric)) for metric in metrics))
    return table
