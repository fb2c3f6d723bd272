"""Rows that a reader can choose to compare the others with."""

from collections.abc import Iterable
from dataclasses import dataclass

from ssl_bench.results.comparing import baseline_rows
from ssl_bench.results.names import backbone_key, is_random, is_supervised
from ssl_bench.results.table import Board, MethodId, Row

MethodOnly = tuple[str, str, str, float | None]  # of any backbone


@dataclass(frozen=True)
class Baseline:
    """One choice.

    Args:
        name (str): For the list, no other has it.
        rows (list[Row]): Of main metrics: the baseline of each table.
    """

    name: str
    rows: list[Row]


def baselines(board: Board, rows: list[Row]) -> list[Baseline]:
    """Every choice; the first one is the default.

    That is ``--baseline``, else random initialisation, else supervised
    weights, else the method with the most rows that others are compared
    with. One that no other is compared with comes last.

    Args:
        board (Board): With its groups.
        rows (list[Row]): The measured ones in the main metric of their task.
    """
    methods: dict[MethodOnly, list[Row]] = {}
    for row in rows:
        methods.setdefault(_without_backbone(row.method_id), []).append(row)
    met = _met(board)
    ordered = sorted(methods.values(), key=lambda own: _preference(own, met))
    found = [
        Baseline(name, own) for name, own in zip(_names(ordered), ordered)
    ]
    if not board.baseline:
        return found
    wanted = {id(row) for row in baseline_rows(board.groups, board.baseline)}
    meant = [row for row in rows if id(row) in wanted]
    same = [b for b in found if set(map(id, b.rows)) == set(map(id, meant))]
    if same:
        return [*same, *(b for b in found if b not in same)]
    own_name = board.baseline
    if own_name in {b.name for b in found}:
        own_name += ' (--baseline)'
    return [Baseline(own_name, meant), *found]


def _without_backbone(method: MethodId) -> MethodOnly:
    name, variant, _, data, epochs = method
    return name, variant, data, epochs


def _met(board: Board) -> set[int]:
    """Ids of the rows that have another one of their table and backbone."""
    found: set[int] = set()
    for group in board.groups:
        same: dict[str, list[int]] = {}
        for row in group.rows:
            same.setdefault(backbone_key(row.backbone), []).append(id(row))
        for ids in same.values():
            found.update(ids if len(ids) > 1 else [])
    return found


def _preference(rows: list[Row], met: set[int]) -> tuple[object, ...]:
    method = rows[0].method
    control = 0 if is_random(method) else 1 if is_supervised(method) else 2
    able = sum(id(row) in met for row in rows)
    return not able, control, -able, -len(rows), rows[0].sort_key[3:]


def _names(methods: Iterable[list[Row]]) -> list[str]:
    """Short names, with data, epochs and a number where that is needed."""
    firsts = [rows[0] for rows in methods]
    names = [row.short_name for row in firsts]
    longer = [
        ', '.join(
            filter(
                None,
                (
                    row.short_name,
                    row.pretrain_data,
                    ''
                    if row.pretrain_epochs is None
                    else f'{row.pretrain_epochs:g} epochs',
                ),
            )
        )
        for row in firsts
    ]
    found: list[str] = []
    for short, long in zip(names, longer):
        name = base = short if names.count(short) == 1 else long
        number = 1
        while name in found:
            number += 1
            name = f'{base} #{number}'
        found.append(name)
    return found
