"""Grids and warnings as Markdown."""

from collections.abc import Mapping, Sequence

from ssl_bench.results.grid import SECTION, Cell, Grid
from ssl_bench.results.record import Problem

MARKS = {'best': '**', SECTION: '*'}  # around a text

MARKDOWN = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    **{c: f'\\{c}' for c in '\\`*_[]|~$'},
}


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in one line of a table."""
    return escaped(text, MARKDOWN)


def escaped(text: str, table: Mapping[str, str]) -> str:
    """One line, character by character: the page does it by the same table."""
    return ''.join(table.get(c, c) for c in ' '.join(text.split()))


def _markdown_cell(cell: Cell) -> str:
    lines = []
    for part in cell:
        mark = MARKS.get(part.kind, '')
        lines.append(f'{mark}{escape_markdown(part.text)}{mark}')
    return '<br>'.join(lines)


def grid_to_markdown(grid: Grid) -> str:
    """A pipe table under a heading."""
    rules = [
        ':--' if i < grid.names else '--:' for i in range(len(grid.heads))
    ]
    heads = [
        '<br>'.join(map(escape_markdown, head.splitlines()))
        for head in grid.heads
    ]
    lines = [
        heads,
        rules,
        *([_markdown_cell(cell) for cell in row] for row in grid.body),
    ]
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    notes = ''.join(f'\n{escape_markdown(n)}\n' for n in grid.notes)
    return f'## {escape_markdown(grid.title)}\n\n{table}\n{notes}'


def to_markdown(grids: Sequence[Grid], problems: Sequence[Problem]) -> str:
    """All tables, then the warnings with their files."""
    parts = [grid_to_markdown(grid) for grid in grids]
    if problems:
        parts.append(
            '## Warnings\n\n'
            + ''.join(
                f'- {escape_markdown(str(problem))}\n' for problem in problems
            )
        )
    return '\n'.join(parts)
