"""Picture files of others, decoded within limits, as ``data:`` addresses."""

import base64
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ssl_bench.errors import UserError, one_line
from ssl_bench.results.reading import read_file
from ssl_bench.results.sheets import contents_of
from ssl_bench.sheet_file import Contents

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = ('PNG', 'JPEG', 'WEBP')  # as Pillow calls them
MAX_BYTES = 32 << 20
MAX_PIXELS = 50_000_000
MAX_SIDE = 1600  # pixels; larger ones are scaled down
QUALITY = 80  # of WEBP


def contents(path: str) -> Contents | None:
    """What a picture says of itself; its pixels are not decoded.

    Raises:
        UserError: Too large, or damaged: decoders raise anything.
        OSError: It cannot be read.
    """
    with _opened(path) as file:
        return contents_of(file.info, file.size)


def decode(path: str) -> 'Image':
    """The pixels of a picture, RGB.

    Raises:
        As `contents`.
    """
    with _opened(path) as file:
        return file.convert('RGB')


@contextmanager
def _opened(path: str) -> Iterator['Image']:
    from PIL import Image

    data = read_file(path, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data), formats=KINDS) as file:
                if math.prod(file.size) > MAX_PIXELS:
                    raise UserError('{} x {} pixels'.format(*file.size))
                yield file
    except Image.DecompressionBombError as error:
        raise UserError('too many pixels') from error
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f'cannot be read as a picture ({one_line(error)})'
        ) from error


def address(image: 'Image') -> tuple[str, tuple[int, int]]:
    """A picture as a ``data:`` address, scaled down when large; its size."""
    scale = MAX_SIDE / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height))
    buffer = io.BytesIO()
    image.save(buffer, 'WEBP', quality=QUALITY, method=3)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f'data:image/webp;base64,{text}', image.size
