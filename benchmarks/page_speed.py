"""Time of the leaderboard's page with 2,000 records, in a browser.

    python benchmarks/page_speed.py [--repeats 3]

For two boards of ``tests/results/pages.py`` (2,000 records of 40 methods with
five seeds; of 200 methods with one seed, which has the most rows) it prints
the seconds to compute the rows and to write the page, its size, the seconds
until it is ready (from the navigation to the last drawn section), and the
milliseconds of sorting all numbers and of one letter in the search, each the
best of the repeats. Exit code 1 when a page of five seeds takes more than 2 s
until it is ready, or 200 ms to sort.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from browser import ROOT, browser, resize, show

BOARDS = ('many', 'many-rows')
MAX_READY, MAX_SORT = 2.0, 200.0
TIMED = """
const start = performance.now();
%s;
document.body.offsetHeight;
return performance.now() - start;
"""
SORT = TIMED % (
    'document.querySelector("#rows [data-key=" + arguments[0] + "]").click()'
)
SEARCH = (
    'const box = document.getElementById("f-q"); box.value = arguments[0];'
    + TIMED % 'box.dispatchEvent(new Event("input"))'
)


def write(name: str, page: Path) -> dict[str, float]:
    """Write a page; records, rows, seconds and MB."""
    from ssl_bench.results.report import to_html
    from tests.results.pages import board

    start = time.perf_counter()
    found = board(name)
    built = time.perf_counter()
    page.write_text(to_html(found), encoding='utf-8')
    return {
        'rows': len(found.rows),
        'rows, s': built - start,
        'page, s': time.perf_counter() - built,
        'MB': page.stat().st_size / 1e6,
    }


def measure(window, page: Path) -> dict[str, float]:
    """Seconds until ready, milliseconds of sorting and searching."""
    start = time.perf_counter()
    show(window, page)
    ready = time.perf_counter() - start
    sorts = [
        window.execute_script(SORT, key)
        for key in ('measured', 'method', 'task') * 2
    ]
    search = window.execute_script(SEARCH, 'p')
    return {'ready, s': ready, 'sort, ms': max(sorts), 'search, ms': search}


def main() -> int:
    """Print a table; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    lines = {}
    with tempfile.TemporaryDirectory() as folder, browser() as window:
        resize(window, 1280, 900)
        for name in BOARDS:
            page = Path(folder) / f'{name}.html'
            lines[name] = write(name, page)
            rounds = [measure(window, page) for _ in range(args.repeats)]
            for key in rounds[0]:
                lines[name][key] = min(found[key] for found in rounds)
    heads = list(lines[BOARDS[0]])
    print(f'| board | {" | ".join(heads)} |')
    print(f'| --- |{" --: |" * len(heads)}')
    for name, line in lines.items():
        print(f'| {name} | {" | ".join(f"{line[h]:.4g}" for h in heads)} |')
    first = lines[BOARDS[0]]
    slow = first['ready, s'] > MAX_READY or first['sort, ms'] > MAX_SORT
    return 1 if slow else 0


if __name__ == '__main__':
    sys.exit(main())
