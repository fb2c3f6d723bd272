"""Parts of Markdown files that commands write."""

from ssl_bench.errors import UserError


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
