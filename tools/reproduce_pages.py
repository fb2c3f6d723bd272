"""Write the generated parts of docs/reproduce/ again."""

import sys
from functools import partial
from pathlib import Path

from ssl_bench.launch.reproduce_pages import index_page, paper_page, reproduced
from ssl_bench.markdown_sections import replace_section, update_page

PAGES = Path(__file__).resolve().parent.parent / 'docs/reproduce'


def main() -> int:
    """Update each page; what is between the marks is replaced."""
    texts = {name: paper_page(name) for name in reproduced()}
    texts['index'] = index_page()
    for name, body in texts.items():
        change = partial(replace_section, name='reproduce', body=body)
        update_page(PAGES / f'{name}.md', change)
    return 0


if __name__ == '__main__':
    sys.exit(main())
