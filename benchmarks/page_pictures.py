"""Pictures of the leaderboard's page, to be looked at.

Draws the pages of all boards of ``tests/results/pages.py``, or given pages,
at the widths of a phone, a laptop and a large screen, light and dark:

    python benchmarks/page_pictures.py --out pictures
    python benchmarks/page_pictures.py --out pictures --only names many
    python benchmarks/page_pictures.py --out pictures --page page.html

A file is BOARD_WIDTH_THEME.png, the whole page down to 8,000 pixels; with
``--print`` also BOARD.pdf. Exit code 1 when a page wrote an error into the
browser's console.
"""

import argparse
import base64
import sys
import time
from pathlib import Path

from browser import ROOT, browser, resize, show

WIDTHS = (390, 1280, 1920)
THEMES = ('light', 'dark')
MAX_HEIGHT = 8000  # pixels
WAITING = (
    'return [...document.querySelectorAll(".plot")].some(e => !e.dataset.drawn'
    ' && e.checkVisibility() && e.getBoundingClientRect().top < innerHeight)'
)


def picture(window, width: int, theme: str, path: Path) -> None:
    """Save the page that is shown, from its top down to the limit."""
    window.execute_cdp_cmd(
        'Emulation.setEmulatedMedia',
        dict(features=[dict(name='prefers-color-scheme', value=theme)]),
    )
    resize(window, width, 900)
    height = min(
        window.execute_script('return document.documentElement.scrollHeight'),
        MAX_HEIGHT,
    )
    resize(window, width, height)  # charts are drawn when in sight
    end = time.monotonic() + 20
    while window.execute_script(WAITING) and time.monotonic() < end:
        time.sleep(0.1)
    found = window.execute_cdp_cmd(
        'Page.captureScreenshot',
        dict(
            captureBeyondViewport=True,
            clip=dict(x=0, y=0, width=width, height=height, scale=1),
        ),
    )
    path.write_bytes(base64.b64decode(found['data']))


def paper(window, path: Path) -> None:
    """Save what a printer would get."""
    found = window.execute_cdp_cmd(
        'Page.printToPDF', dict(printBackground=True)
    )
    path.write_bytes(base64.b64decode(found['data']))


def pages(args: argparse.Namespace) -> dict[str, Path]:
    """The pages to draw, by name; those of the boards are written first."""
    if args.page:
        return {path.parent.name + path.stem: path for path in args.page}
    sys.path.insert(0, str(ROOT))
    from ssl_bench.results.report import to_html
    from tests.results.pages import RECORDS, board

    found = {}
    for name in args.only or RECORDS:
        found[name] = args.out / f'{name}.html'
        found[name].write_text(to_html(board(name)), encoding='utf-8')
    return found


def main() -> int:
    """Write the pictures; the number of pages with errors is not 0: 1."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--page', type=Path, nargs='+', default=[])
    parser.add_argument('--only', nargs='+', metavar='BOARD')
    parser.add_argument('--widths', type=int, nargs='+', default=WIDTHS)
    parser.add_argument('--themes', nargs='+', default=THEMES, choices=THEMES)
    parser.add_argument('--print', action='store_true')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    faults = 0
    with browser() as window:
        for name, page in pages(args).items():
            for width in args.widths:
                resize(window, width, 900)
                show(window, page)
                for theme in args.themes:
                    path = args.out / f'{name}_{width}_{theme}.png'
                    picture(window, width, theme, path)
                    print(path)
            if args.print:
                paper(window, args.out / f'{name}.pdf')
            for entry in window.get_log('browser'):
                faults += 1
                print(f'{name}: {entry["message"]}')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
