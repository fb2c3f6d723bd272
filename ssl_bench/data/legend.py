"""Legends: what the colours of a sheet mean, written into the sheet."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ssl_bench.sheet_file import Legend

LINE = 18  # pixels of a line of text
SWATCH = 11
SPACE = 14  # pixels between two entries
LEAST = 320  # pixels that a legend may be wide, also over a small sheet
SIZE = 12  # of the letters
INK, EDGE = '#1a1a1a', '#8a8a8a'


def font(size: int = SIZE) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The letters that Pillow comes with."""
    return ImageFont.load_default(size)


def draw_legend(entries: Sequence[Legend], width: int) -> Image.Image:
    """Entries next to each other, in as many lines as they need.

    Args:
        entries (Sequence[Legend]): Colour and meaning; an entry without a
            colour is text.
        width (int): Pixels, at least.

    Returns:
        PIL.Image.Image: Dark on white, also in a dark page. A colour fills a
        square with an edge, so that white and light ones are seen.
    """
    letters, width = font(), max(width, LEAST)
    placed, x, y = [], 0, 0
    for colour, text in entries:
        mark = SWATCH + 5 if colour else 0
        for i, line in enumerate(_lines(text, width - mark - 8, letters)):
            needed = mark + round(letters.getlength(line))
            if x and (i or x + needed > width - 4):
                x, y = 0, y + LINE
            placed.append((x + 4, y, '' if i else colour, mark, line))
            x += needed + SPACE
    image = Image.new('RGB', (width, y + LINE + 2), 'white')
    draw = ImageDraw.Draw(image)
    for left, top, colour, mark, line in placed:
        if colour:
            box = (left, top + 4, left + SWATCH, top + 4 + SWATCH)
            draw.rectangle(box, fill=colour, outline=EDGE)
        draw.text((left + mark, top + 2), line, fill=INK, font=letters)
    return image


def _lines(text: str, width: int, letters) -> list[str]:
    """Text in lines of ``width`` pixels; a longer word is on its own."""
    lines = ['']
    for word in text.split():
        longer = f'{lines[-1]} {word}'.strip()
        if lines[-1] and letters.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
