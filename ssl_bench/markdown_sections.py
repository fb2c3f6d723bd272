"""Parts of Markdown files that commands write."""

from collections.abc import Callable
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import write_text


def update_page(path: str | Path, change: Callable[[str], str]) -> None:
    """Write what ``change`` makes of a page; the rest is left as it is.

    Args:
        path (str | Path): A Markdown file.
        change (Callable): Text to text, for instance by `replace_section`.

    Raises:
        UserError: There is no such file, or it is not a text file.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'no file {path}.')
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{path} is not a text file.') from error
    write_text(path, change(text))


def replace_section(text: str, name: str, body: str) -> str:
    """Put ``body`` between ``<!-- NAME -->`` and ``<!-- /NAME -->``.

    Args:
        text (str): A whole file.
        name (str): Name of the section.
        body (str): The new text between the marks, without a line end.

    Raises:
        UserError: The text does not have both marks in this order.
    """
    marks = f'<!-- {name} -->', f'<!-- /{name} -->'
    before, start, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (start and end):
        raise UserError(
            f'the file does not have the lines {marks[0]} and {marks[1]}, '
            'between which to write.'
        )
    return f'{before}{start}\n{body}\n{end}{after}'
