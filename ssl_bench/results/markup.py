"""Grids and warnings as Markdown and LaTeX."""

from collections.abc import Callable, Sequence

from ssl_bench.results.grid import Cell, Grid
from ssl_bench.results.record import Problem

MAX_COLUMNS = 7  # of a LaTeX table that fits a page unscaled

LATEX = {
    '\\': r'\textbackslash{}',
    '~': r'\textasciitilde{}',
    '^': r'\textasciicircum{}',
    '<': r'\textless{}',
    '>': r'\textgreater{}',
    '|': r'\textbar{}',
    '"': "''",
    '±': r'$\pm$',
    '≈': r'$\approx$',
    '≠': r'$\neq$',
    'Δ': r'$\Delta$',
    '−': r'$-$',
    '[': '{[}',  # not an argument of the line break before it
    **{c: f'\\{c}' for c in '&%$#_{}'},
}

MARKDOWN = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    **{c: f'\\{c}' for c in '\\`*_[]|~$'},
}


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in one line of a table."""
    return _escape(text, MARKDOWN)


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return _escape(text, LATEX)


def _escape(text: str, table: dict[str, str]) -> str:
    """One line, character by character: the page does it by the same table."""
    return ''.join(table.get(c, c) for c in ' '.join(text.split()))


def _markdown_cell(cell: Cell) -> str:
    lines = []
    for part in cell:
        text = escape_markdown(part.text)
        lines.append(f'**{text}**' if part.kind == 'best' else text)
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


def _latex_cell(cell: Cell, side: str) -> str:
    styles: dict[str, Callable[[str], str]] = {
        'best': r'\textbf{{{}}}'.format,
        'interval': r'{{\footnotesize {}}}'.format,
        'published': r'{{\footnotesize {}}}'.format,
        'difference': r'{{\footnotesize {}}}'.format,
    }
    lines = [
        styles.get(part.kind, '{}'.format)(escape_latex(part.text))
        for part in cell
    ]
    return _stack(lines, side)


def _stack(lines: Sequence[str], side: str) -> str:
    """Lines of one cell, on the side (``l`` or ``r``) of its column."""
    if len(lines) < 2:
        return ''.join(lines)
    body = r' \\ '.join(lines)
    return rf'\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{body}\end{{tabular}}'


def grid_to_latex(grid: Grid) -> str:
    """A ``table`` with ``booktabs`` rules; a wide one is scaled down."""
    columns = 'l' * grid.names + 'r' * (len(grid.heads) - grid.names)
    heads = [
        _stack([escape_latex(line) for line in head.splitlines()], side)
        for head, side in zip(grid.heads, columns)
    ]
    body = [map(_latex_cell, row, columns) for row in grid.body]
    lines = [
        ' & '.join(heads) + r' \\',
        r'\midrule',
        *(' & '.join(cells) + r' \\' for cells in body),
    ]
    dot = '.' if grid.notes else ''
    caption = ' '.join([grid.title + dot, *grid.notes])
    wide = len(grid.heads) > MAX_COLUMNS
    return '\n'.join(
        [
            r'\begin{table}',
            r'\centering',
            rf'\caption{{{escape_latex(caption)}}}',
            *([r'\resizebox{\linewidth}{!}{%'] if wide else []),
            rf'\begin{{tabular}}{{{columns}}}',
            r'\toprule',
            *lines,
            r'\bottomrule',
            r'\end{tabular}' + ('}' if wide else ''),
            r'\end{table}',
            '',
        ]
    )


def to_latex(grids: Sequence[Grid], problems: Sequence[Problem]) -> str:
    """All tables; the warnings are comments."""
    comments: list[str] = [
        '% ' + ' '.join(str(problem).split()) for problem in problems
    ]
    return '\n'.join(
        [
            '% needs \\usepackage{booktabs,graphicx}',
            *map(grid_to_latex, grids),
            *comments,
            '',
        ]
    )
