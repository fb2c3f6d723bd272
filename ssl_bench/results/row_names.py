"""Names of rows for short tables: as short as still tells them apart."""

from collections.abc import Callable, Sequence

from ssl_bench.results.table import Row

MOST = 40  # characters of a setting in a name


def _epochs(row: Row) -> str:
    known = row.pretrain_epochs
    return '' if known is None else f'@{known:g}'


def _settings(texts: Sequence[str]) -> str:
    text = '; '.join(texts)
    cut = text if len(text) <= MOST else f'{text[: MOST - 3]}...'
    return f' ({cut})' if text else ''


def _hash(row: Row, position: int) -> str:
    found = row.protocol[position]
    return f' {str(found)[:6]}' if found else ''


def _batch(row: Row) -> str:
    """Of a row that was only printed."""
    batch = row.published.pretrain_batch if row.published else None
    return '' if batch is None else f', batch {batch:g}'


# What is added where names are the same, in this order.
FORMS: tuple[Callable[[Row], str], ...] = (
    _epochs,
    lambda row: f' [{row.backbone}]',
    lambda row: f' on {row.pretrain_data}' if row.pretrain_data else '',
    lambda row: f', recipe {row.recipe}' if row.recipe else '',
    lambda row: f', {row.trained_text}' if row.trained_text else '',
    lambda row: _settings(row.pretrain_departures),
    lambda row: _settings(row.departures),
    _batch,
    lambda row: f', config{_hash(row, 1)}',
    lambda row: f', data{_hash(row, 2)}',
)


def row_names(rows: Sequence[Row]) -> list[str]:
    """The shortest names that tell rows apart, in the order of the rows.

    ``MoCo v2``; ``MoCo v2@800`` next to one of other epochs, which is how
    ``--methods`` takes it. A row that was only printed names its paper.
    """
    names = [row.short_name for row in rows]
    for form in FORMS:
        places: dict[tuple[str, str], list[int]] = {}
        for i, name in enumerate(names):
            places.setdefault((name, _paper(rows[i])), []).append(i)
        for same in places.values():
            added = [form(rows[i]) for i in same]
            if len(set(added)) > 1:
                for i, text in zip(same, added):
                    names[i] += text
    return [name + _paper(row) for name, row in zip(names, rows)]


def _paper(row: Row) -> str:
    """``, in InsLoc``: who printed a row that was not measured."""
    if row.published is None or row.values:
        return ''
    return f', in {row.published.reported_in}'
