"""The pages that a reader may open, and the pieces of their text."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
]
# what opens and closes it: indentation, marks, language, code
FENCE = re.compile(r'^( *)(```+|~~~+) *([^\n]*)\n(.*?)^\1\2 *$', re.M | re.S)


def name_of(page: Path) -> str:
    """A page as a path from the root."""
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """A page's text without its fenced code."""
    return FENCE.sub('', text)
