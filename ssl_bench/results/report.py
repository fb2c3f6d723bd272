"""The leaderboard as one HTML file that needs nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ssl_bench.results import grid, wording
from ssl_bench.results.page_data import STYLES, page_data
from ssl_bench.results.record import PathLike, Problem
from ssl_bench.results.table import Board

if TYPE_CHECKING:
    from jinja2 import Template

PAGE = Path(__file__).with_name('page')
TEMPLATE = 'page.html.jinja'
PLAIN = 'plain.html.jinja'
EMBED = 'window.vegaEmbed = vegaEmbed;'  # what the scripts call
# In the order of the page; each is NAME.html.jinja, .css and .js in sections/.
SECTIONS = (
    'verdict',
    'overview',
    'coverage',
    'tasks',
    'ranks',
    'compare',
    'cost',
    'curves',
    'pictures',
    'numbers',
    'warnings',
)
SHEETS = (
    'base.css',
    'plots.css',
    *(f'sections/{name}.css' for name in SECTIONS),
    'narrow.css',
    'print.css',
)
SCRIPTS = (
    'common.js',
    'state.js',
    'panel.js',
    'viewer.js',
    'tables.js',
    'row_window.js',
    'saving.js',
    'plots.js',
    'chart_files.js',
    *(f'sections/{name}.js' for name in SECTIONS),
    'main.js',
)


def safe_json(value: Any) -> Markup:
    """JSON that cannot end a script element or start a comment."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(',', ':')
    )
    for character in '<>&\u2028\u2029':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return Markup(text)


def _legend(board: Board) -> list[dict[str, str]]:
    """Signs that the tables of this board use, with a class for colours."""
    found = []
    if any(grid.MARKS[row.verdict] for row in board.rows):
        found += [
            dict(style=style, text=f'{grid.MARKS[verdict]} {verdict}')
            for verdict, style in STYLES.items()
        ]
    if any(row.published and not row.published.verified for row in board.rows):
        found.append(
            dict(style='', text='? printed number not checked in its source')
        )
    if any(row.all_departures for row in board.rows):
        found.append(dict(style='', text=grid.DEPARTED_LEGEND))
    notes = grid.baseline_notes(board)
    return found + [dict(style='', text=text) for text in notes]


@lru_cache(maxsize=2)
def _template(name: str) -> 'Template':
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)


def to_html(
    board: Board,
    dirs: Iterable[PathLike] = (),
    watched: dict[str, Any] | None = None,
) -> str:
    """The whole page.

    Args:
        board (Board): Rows and warnings; what is wrong with curves and
            pictures is added to its problems.
        dirs: Where curves and pictures are looked for.
        watched (dict, optional): Of a page that reloads itself: ``seconds``
            between two times, and ``changed``, the time of the last change.
    """
    from ssl_bench.results.charts import specifications

    data = page_data(board, dirs)
    sheets, scripts = SHEETS, SCRIPTS
    if watched:
        data['watched'] = watched
        sheets, scripts = (*SHEETS, 'watch.css'), (*SCRIPTS, 'watch.js')
    measured = Board(board.measured, board.problems, board.baseline)
    # Markup: texts of this project and its libraries, and escaped JSON
    return _template(TEMPLATE).render(
        headline=data['headline'],
        style=_joined(sheets),
        script=_joined(scripts),
        sections=SECTIONS,
        vega=_vega(),
        data=safe_json(data),
        charts=safe_json(specifications()),
        grids=grid.grids(measured),
        legend=_legend(board),
        rule=wording.RULE,
    )


@lru_cache(maxsize=1)
def _vega() -> Markup:
    """The libraries that draw charts; it takes a second to put them together.

    A page that is watched is written many times.
    """
    import vl_convert

    return Markup(vl_convert.javascript_bundle(EMBED))


def _style() -> Markup:
    return _joined(SHEETS)


def _joined(names: Iterable[str]) -> Markup:
    """Files of the page, one after the other."""
    texts = ((PAGE / name).read_text(encoding='utf-8') for name in names)
    return Markup('\n'.join(texts))


def plain_page(
    title: str,
    grids: Iterable[grid.Grid],
    problems: Iterable[Problem] = (),
    texts: Iterable[str] = (),
    lists: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Tables and warnings as one HTML file without scripts.

    Args:
        title (str): Of the page.
        grids (Iterable[Grid]): Tables.
        problems (Iterable[Problem]): Warnings.
        texts (Iterable[str]): Paragraphs above the tables.
        lists (Mapping, optional): Headings and points below the tables.
    """
    return _template(PLAIN).render(
        style=_style(),
        title=title,
        grids=grids,
        problems=problems,
        texts=texts,
        lists=lists or {},
    )
