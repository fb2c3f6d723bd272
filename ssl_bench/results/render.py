"""From a board to the text of a file, by format."""

from collections.abc import Callable, Iterable

from ssl_bench.results import grid, latex, markup, text_formats
from ssl_bench.results.matrix_grid import combined
from ssl_bench.results.papers import paper_grids
from ssl_bench.results.record import PathLike
from ssl_bench.results.table import Board

TABLE = 'table'  # the methods x tasks table alone


def tables(board: Board, which: str | None = None) -> list[grid.Grid]:
    """The grids of the board: methods x tasks, then each task.

    Args:
        board (Board): Rows and warnings.
        which (str, optional): A paper, for its tables; or `TABLE`.
    """
    if which and which != TABLE:
        return paper_grids(which, board)
    first = combined(board)
    if which:
        return [first]
    return [*([first] if first.body else []), *grid.grids(board)]


def render(
    board: Board,
    name: str,
    which: str | None = None,
    dirs: Iterable[PathLike] = (),
) -> str:
    """The whole file in one of the formats.

    Args:
        board (Board): Rows and warnings.
        name (str): csv, md, latex, html or json.
        which (str, optional): As `tables` takes it (md, latex).
        dirs: Where a page looks for curves and pictures; what is wrong
            with them is added to the board's problems.
    """
    if name == 'html':
        from ssl_bench.results.report import to_html

        return to_html(board, dirs)
    makers: dict[str, Callable[[], str]] = {
        'csv': lambda: text_formats.to_csv(board),
        'json': lambda: text_formats.to_json(board),
        'md': lambda: markup.to_markdown(tables(board, which), board.problems),
        'latex': lambda: latex.to_latex(tables(board, which), board.problems),
    }
    return makers[name]()
