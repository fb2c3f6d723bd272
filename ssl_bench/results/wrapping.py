"""Texts in lines and tables in pieces, by the width of what is shown."""

import unicodedata
from collections.abc import Callable, Sequence


def cells(text: str) -> int:
    """Columns of a terminal: two for a Chinese letter, none for an accent."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.category(char) in ('Mn', 'Me', 'Cf'):
        return 0
    return 2 if unicodedata.east_asian_width(char) in 'WF' else 1


def wrap(
    text: str, width: int, measure: Callable[[str], int] = cells
) -> list[str]:
    """Lines of ``width`` at most; a word is cut where it alone is longer.

    Args:
        width (int): Columns; 2 at least.
        measure: The width of a text.
    """
    found: list[str] = []
    for word in text.split():
        if found and measure(f'{found[-1]} {word}') <= width:
            found[-1] += f' {word}'
            continue
        *full, rest = _cut(word, width, measure)
        found += [*full, rest]
    return found


def _cut(
    word: str, width: int, measure: Callable[[str], int]
) -> Sequence[str]:
    parts = ['']
    for char in word if measure(word) > width else ():
        if measure(parts[-1] + char) > width:
            parts.append('')
        parts[-1] += char
    return parts if parts[0] else [word]


def pieces(widths: Sequence[int], space: int) -> list[range]:
    """Columns side by side, in as few pieces as fit.

    The pieces have about the same number of columns; a column that is wider
    than the space is alone.

    Args:
        widths (Sequence[int]): Of the columns.
        space (int): What a piece may have.
    """
    for count in range(1, len(widths) + 1):
        size = -(-len(widths) // count)
        found = [
            range(i, min(i + size, len(widths)))
            for i in range(0, len(widths), size)
        ]
        if size == 1 or all(
            sum(widths[i] for i in piece) <= space for piece in found
        ):
            return found
    return []
