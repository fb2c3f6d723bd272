"""From a board to the text of a file, by format."""

from collections.abc import Callable, Iterable

from ssl_bench.results import grid, markup, text_formats
from ssl_bench.results.papers import paper_grids
from ssl_bench.results.record import PathLike
from ssl_bench.results.table import Board


def tables(board: Board, paper: str | None = None) -> list[grid.Grid]:
    """The grids of the board, or of one paper's tables."""
    return paper_grids(paper, board) if paper else grid.grids(board)


def render(
    board: Board,
    name: str,
    paper: str | None = None,
    dirs: Iterable[PathLike] = (),
) -> str:
    """The whole file in one of the formats.

    Args:
        board (Board): Rows and warnings.
        name (str): csv, md, latex, html or json.
        paper (str, optional): Render this paper's tables (md, latex).
        dirs: Where a page looks for curves and pictures; what is wrong
            with them is added to the board's problems.
    """
    if name == 'html':
        from ssl_bench.results.report import to_html

        return to_html(board, dirs)
    makers: dict[str, Callable[[], str]] = {
        'csv': lambda: text_formats.to_csv(board),
        'json': lambda: text_formats.to_json(board),
        'md': lambda: markup.to_markdown(tables(board, paper), board.problems),
        'latex': lambda: markup.to_latex(tables(board, paper), board.problems),
    }
    return makers[name]()
