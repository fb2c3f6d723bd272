"""Grids and warnings as LaTeX: tables that fit a page."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ssl_bench.results.grid import SECTION, Cell, Grid, Part, is_section
from ssl_bench.results.markup import escaped
from ssl_bench.results.record import Problem
from ssl_bench.results.wrapping import cells, pieces, wrap

PACKAGES = '% needs \\usepackage{booktabs,graphicx}'
UNICODE = '% names of other scripts need XeLaTeX or LuaLaTeX and a font'
LINE = 75  # characters of a line of text, at 10 pt on A4
SMALLEST = 0.65  # of the size of the text; a wider table is cut
PAGE = 34  # lines of cells on a page, with a caption and notes
LONGEST = {'name': 40, 'published': 44, 'difference': 32}  # characters
HEAD = 12  # characters that a heading may have over narrower numbers
GAP = 2.4  # characters between two columns
SMALL = 0.8  # size of a remark in a cell
SPECIAL = re.compile('[^\x00-\xff–—…]')  # what pdflatex does not know

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
    '†': r'\dag{}',
    '→': r'$\to$',
    '×': r'$\times$',
    # not an argument, or the star, of the line break before it
    '[': '{[}',
    '*': '{*}',
    **{c: f'\\{c}' for c in '&%$#_{}'},
}


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return escaped(text, LATEX)


STYLES: dict[str, Callable[[str], str]] = {
    'best': r'\textbf{{{}}}'.format,
    'interval': r'{{\footnotesize {}}}'.format,
    'published': r'{{\footnotesize {}}}'.format,
    'difference': r'{{\footnotesize {}}}'.format,
}


def _lines(cell: Cell) -> Iterator[Part]:
    """The lines of a cell; a long name or remark has several."""
    for part in cell:
        most = LONGEST.get(part.kind)
        for line in wrap(part.text, most) if most else [part.text]:
            yield Part(line, part.kind)


def _latex_cell(cell: Cell, side: str) -> str:
    lines = [
        STYLES.get(part.kind, '{}'.format)(escape_latex(part.text))
        for part in _lines(cell)
    ]
    return _stack(lines, side)


def _stack(lines: Sequence[str], side: str) -> str:
    """Lines of one cell, on the side (``l`` or ``r``) of its column."""
    if len(lines) < 2:
        return ''.join(lines)
    body = r' \\ '.join(lines)
    return rf'\begin{{tabular}}[t]{{@{{}}{side}@{{}}}}{body}\end{{tabular}}'


def widths(grid: Grid) -> list[float]:
    """Characters that each column takes, with the gap to the next one."""
    return [
        max([_body_width(grid, i), *map(cells, _head(grid, i))]) + GAP
        for i in range(len(grid.heads))
    ]


def _body_width(grid: Grid, column: int) -> float:
    texts = (
        cells(part.text) * (1 if part.kind in PLAIN else SMALL)
        for row in grid.body
        for part in _lines(row[column])
        if part.kind != SECTION
    )
    return max(texts, default=0)


def _head(grid: Grid, column: int) -> list[str]:
    """Lines of a heading, about as wide as the numbers below it."""
    width = max(HEAD, int(_body_width(grid, column)))
    lines = grid.heads[column].splitlines()
    return [part for line in lines for part in wrap(line, width)]


PLAIN = ('name', 'measured', 'best', 'plain')


def columns_of(grid: Grid) -> list[list[int]]:
    """Columns of each piece that fits a line when it is scaled down."""
    keys, all_widths = list(range(grid.keys)), widths(grid)
    rest = range(grid.keys, len(grid.heads))
    space = LINE / SMALLEST - sum(all_widths[: grid.keys])
    # in tenths, as a whole number
    found = pieces(
        [round(10 * all_widths[column]) for column in rest], int(10 * space)
    )
    return [keys + [rest[i] for i in piece] for piece in found] or [keys]


def rows_of(grid: Grid, columns: Sequence[int]) -> list[list[list[Cell]]]:
    """Rows of each piece that fits a page; a section begins with its head."""
    found: list[list[list[Cell]]] = [[]]
    section: list[list[Cell]] = []
    used = 0
    for row in grid.rows(columns):
        lines = max(len(list(_lines(row[i]))) for i in columns)
        if is_section(row):
            section = [row]
        if found[-1] and used + lines + is_section(row) > PAGE:
            found.append([] if is_section(row) else list(section))
            used = 0
        found[-1].append(row)
        used += lines
    return found


def slug(text: str) -> str:
    """What `\\label` takes: ``mini_knn`` is ``mini-knn``."""
    return re.sub('[^a-z0-9]+', '-', text.casefold()).strip('-') or 'table'


def grid_to_latex(grid: Grid, label: str = '') -> str:
    """One or several ``table`` with ``booktabs`` rules, each on one page.

    A wide one is scaled down, and cut where it would be too small to read. The
    notes are below the last one.

    Args:
        label (str): Of the first one, without ``tab:``; by default of the
            title.
    """
    label = label or slug(grid.title)
    parts = [
        (columns, rows)
        for columns in columns_of(grid)
        for rows in rows_of(grid, columns)
    ]
    return '\n'.join(
        _table(grid, *part, (label, i + 1, len(parts)))
        for i, part in enumerate(parts)
    )


def _table(
    grid: Grid,
    columns: Sequence[int],
    rows: Sequence[Sequence[Cell]],
    which: tuple[str, int, int],
) -> str:
    """A piece of a grid.

    Args:
        which: Label of the grid, number of the piece, and how many.
    """
    label, number, pieces_of_it = which
    title = grid.title
    if pieces_of_it > 1:
        title += f' ({number} of {pieces_of_it})'
        label += f'.{number}' if number > 1 else ''
    sides = ''.join('l' if i < grid.names else 'r' for i in columns)
    own = widths(grid)
    wide = sum(own[i] for i in columns) > LINE
    notes = grid.notes if number == pieces_of_it else []
    return '\n'.join(
        [
            r'\begin{table}',
            r'\centering',
            rf'\caption{{{escape_latex(title)}}}',
            rf'\label{{tab:{label}}}',
            *([r'\resizebox{\linewidth}{!}{%'] if wide else []),
            rf'\begin{{tabular}}{{{sides}}}',
            r'\toprule',
            *_rows(grid, columns, rows, sides),
            r'\bottomrule',
            r'\end{tabular}' + ('}' if wide else ''),
            *_notes(notes),
            r'\end{table}',
            '',
        ]
    )


def _rows(
    grid: Grid,
    columns: Sequence[int],
    rows: Sequence[Sequence[Cell]],
    sides: str,
) -> Iterator[str]:
    """The lines between the rules at the top and at the bottom."""
    heads = [
        _stack(list(map(escape_latex, _head(grid, i))), side)
        for i, side in zip(columns, sides)
    ]
    yield ' & '.join(heads) + r' \\'
    yield r'\midrule'
    for number, row in enumerate(rows):
        if is_section(row):
            if number:
                yield r'\midrule'
            text = escape_latex(row[0][0].text)
            yield (
                rf'\multicolumn{{{len(columns)}}}{{l}}'
                rf'{{\textit{{{text}}}}} \\'
            )
            continue
        cells_of_it = map(_latex_cell, (row[i] for i in columns), sides)
        yield ' & '.join(cells_of_it) + r' \\'


def _notes(notes: Sequence[str]) -> list[str]:
    """Remarks below a table, as wide as the text."""
    text = ' '.join(note for note in notes if note)
    if not text:
        return []
    return [
        '',
        r'\smallskip',
        rf'\parbox{{\linewidth}}{{\footnotesize {escape_latex(text)}}}',
    ]


def to_latex(grids: Sequence[Grid], problems: Sequence[Problem]) -> str:
    """All tables; the warnings are comments."""
    comments: list[str] = [
        '% ' + ' '.join(str(problem).split()) for problem in problems
    ]
    counts: Counter[str] = Counter()
    tables = []
    for grid in grids:
        label = slug(grid.title)
        counts[label] += 1
        more = f':{counts[label]}' if counts[label] > 1 else ''
        tables.append(grid_to_latex(grid, label + more))
    special = any(map(SPECIAL.search, tables))
    return '\n'.join(
        [PACKAGES, *([UNICODE] if special else []), *tables, *comments, '']
    )
