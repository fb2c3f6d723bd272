"""The report of gpu.py as Markdown tables."""

import json

# goals of an H100: of the limit, compiled in bfloat16; of the speed of eager
# TF32; of a run's time
SHARE, FASTER, WAITING = 0.85, 1.5, 0.05


def number(value: float | None, digits: int = 0) -> str:
    """A number of a table; empty for none."""
    return '' if value is None else f'{value:.{digits}f}'


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table, after an empty one; none without rows."""
    if not rows:
        return []
    lines = [head, ['---'] * len(head), *rows]
    return ['', *(f'| {" | ".join(cells)} |' for cells in lines)]


def goals(rows: list[dict]) -> list[list[str]]:
    """Of each method, what its fastest form reaches, and if that is enough.

    Args:
        rows (list[dict]): Of step.py.
    """
    found = []
    for method in dict.fromkeys(row['method'] for row in rows):
        speed = {
            row['form']: row
            for row in rows
            if row['method'] == method and row['images_per_s']
        }
        best = max(
            (speed[form] for form in ('compile', 'fused') if form in speed),
            key=lambda row: row['images_per_s'],
            default=None,
        )
        if best is None:
            found.append([method, '', '', 'not measured', 'not measured'])
            continue
        faster = None
        if 'tf32' in speed:
            faster = best['images_per_s'] / speed['tf32']['images_per_s']
        found.append(
            [
                method,
                number(best['share'], 2),
                number(faster, 2),
                verdict(best['share'], SHARE),
                verdict(faster, FASTER),
            ]
        )
    return found


def verdict(value: float | None, least: float) -> str:
    """Whether a goal is met."""
    if value is None:
        return 'not measured'
    return 'met' if value >= least else 'missed'


def as_markdown(report: dict) -> str:
    """The tables for docs/performance.md."""
    lines = [f'`{json.dumps(report["machine"])}`', '']
    for name, part in report['parts'].items():
        state = 'failed' if part['failed'] else 'done'
        lines.append(f'* {name}: {state} in {part["seconds"]:.0f} s')
    parts = {name: part['result'] for name, part in report['parts'].items()}
    rows = {
        name: parts.get(name, {}).get('rows', []) for name in ('step', 'data')
    }
    tests, tasks = parts.get('tests', {}), parts.get('tasks', {})
    kinds = ('passed', 'failed', 'skipped')
    return (
        '\n'.join(
            [
                *lines,
                *table(
                    [f'tests {kind}' for kind in kinds],
                    [[str(tests[kind]) for kind in kinds]] if tests else [],
                ),
                *table(
                    ['run', 'to its end'],
                    [
                        [key, 'yes' if ok else 'no']
                        for key, ok in tasks.items()
                    ],
                ),
                *step_tables(rows['step']),
                *pipeline_table(parts.get('pipeline', {})),
                *data_table(rows['data']),
            ]
        )
        + '\n'
    )


def step_tables(rows: list[dict]) -> list[str]:
    """Speed of each form, and whether the goals are met."""
    return table(
        'method,form,batch,images/s,limit,share,MiB,note'.split(','),
        [
            [
                row['method'],
                row['form'],
                str(row['batch']),
                number(row['images_per_s']),
                number(row['limit_per_s']),
                number(row['share'], 2),
                number(row['peak_mib']),
                row['note'][:80],
            ]
            for row in rows
        ],
    ) + table(
        [
            'method',
            'compiled, of its limit',
            'times eager TF32',
            f'goal {SHARE}',
            f'goal {FASTER}',
        ],
        goals(rows),
    )


def pipeline_table(result: dict) -> list[str]:
    """Time per image: CPU of a worker, without the colours; of the device.

    Args:
        result (dict): Of pipeline.py.
    """
    painting = {row['row']: row for row in result.get('painting', [])}
    head = (
        'plain way, ms;worker, ms;times as fast;painting, ms;then floats, ms'
    )
    return table(
        ['views', *head.split(';')],
        [
            [row['row']]
            + [
                number(row[key]['median'], 2)
                for key in ('plain_ms', 'ours_ms', 'ratio')
            ]
            + [
                number(painting[row['row']][key]['median'], 3)
                if row['row'] in painting
                else ''
                for key in ('paint_ms', 'prepare_ms')
            ]
            for row in result.get('rows', [])
        ],
    )


def data_table(rows: list[dict]) -> list[str]:
    """Speed of runs, and what their data cost them."""
    head = 'method,batch,workers,loader images/s,run images/s,step images/s'
    return table(
        [*head.split(','), 'waiting', f'goal {WAITING:.0%}'],
        [
            [
                row['method'],
                str(row['batch']),
                str(row['workers']),
                number(row['loader_per_s']),
                number(row['loop_per_s']),
                number(row['step_per_s']),
                f'{row["waiting"]:.1%}',
                verdict(-row['waiting'], -WAITING),
            ]
            for row in rows
        ],
    )
