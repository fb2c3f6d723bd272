"""The pixels of an image file: one reader, for whatever reads images.

Pretraining, transfer, probes, pictures and the checks of data read through
these functions, so they agree on what an image file is and on its pixels.
"""

import io
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

# Pillow warns at half of the size at which it stops; the size is our limit
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning)

# what Pillow raises for a file that is not a whole image
ERRORS: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    ArithmeticError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    struct.error,
    zlib.error,
)
# Pillow reads others through programs and libraries that may not be there
FORMATS = frozenset(
    (
        'AVIF',
        'BMP',
        'DIB',
        'GIF',
        'JPEG',
        'JPEG2000',
        'MPO',
        'PNG',
        'PPM',
        'TIFF',
        'WEBP',
    )
)
# where Pillow keeps what holds an orientation
ORIENTED = frozenset(
    ('exif', 'xmp', 'XML:com.adobe.xmp', 'Raw profile type exif')
)
PLAIN = ('L', 'RGB')
AS_RGB = 3  # torchvision's ImageReadMode.RGB
# markers of a JPEG file's segments
SCAN, QUANTISATION, JFIF = b'\xda', b'\xdb', b'\xe0'
FRAME = struct.Struct('>BHHB')  # bits, height, width, layers
LAYERS = {9: 1, 15: 3}  # of the bytes that say what a frame is
FRAMES = b'\xc0', b'\xc2'  # baseline and progressive, Huffman coding
HARMLESS = b'\xc4', b'\xdd', b'\xfe'  # Huffman codes, restarts, comment
FLIPPED = range(2, 5)
TURNED = range(5, 9)  # orientations that exchange width and height

Source = str | Path | bytes


@contextmanager
def opened(source: Source) -> Iterator[ImageFile.ImageFile]:
    """Open an image file; its pixels are not read yet.

    Args:
        source (str | Path | bytes): A path, or the content of a file.

    Yields:
        Image: Pillow's, of a supported format and size.

    Raises:
        OSError: In the block, too: the file is not a whole image, or is
            larger than Pillow's limit of 179 million pixels.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file) as image:
            if image.format not in FORMATS:
                raise OSError(f'images of format {image.format} are not read')
            yield image
    except Image.DecompressionBombError as error:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise OSError(
            f'it has more than {limit} pixels; cut it up, or make it smaller'
        ) from error
    except UnidentifiedImageError as error:
        raise OSError('it is not an image') from error
    except OSError:
        raise
    except ERRORS as error:
        raise OSError(str(error) or type(error).__name__) from error


def read_rgb(source: Source) -> np.ndarray:
    """Decode an image file to 8-bit RGB, turned as its EXIF data say.

    Grey, palette and CMYK pixels become RGB as Pillow converts them.
    Transparency is ignored. Of 16 bits the high byte is kept.

    Args:
        source (str | Path | bytes): A path, or the content of a file.

    Returns:
        np.ndarray: (H, W, 3) uint8.

    Raises:
        OSError: The file is not a whole image, is larger than `opened`
            takes, or has 32-bit pixels, which have no fixed white.
    """
    data = source if isinstance(source, bytes) else _content(source)
    fast = 'torchvision.io' in sys.modules  # to import it costs more than
    # a few images save
    pixels = _decoded(data) if fast and bare_jpeg(data) else None
    if pixels is not None:
        return pixels
    with opened(data) as image:
        way = orientation(image)
        if fast and image.format == 'JPEG' and image.mode in PLAIN:
            pixels = _decoded(data)
        return turned(_rgb(image) if pixels is None else pixels, way)


def _content(path: str | Path) -> bytes:
    with open(path, 'rb', buffering=0) as file:
        return file.read()


def _decoded(data: bytes) -> np.ndarray | None:
    """Pixels of an 8-bit grey or RGB JPEG, a third faster than Pillow.

    torchvision has the same decoder. Of the files that Pillow opens it takes
    none that Pillow refuses.

    Returns:
        np.ndarray: (H, W, 3) uint8 as `_rgb`, or None: ask Pillow.
    """
    import torch

    content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    try:  # what its decode_jpeg calls, without a warning for each image
        pixels = torch.ops.image.decode_jpeg(content, AS_RGB, False)
    except (RuntimeError, AttributeError):  # damaged, or no such operator
        return None
    return pixels.permute(1, 2, 0).contiguous().numpy()


def bare_jpeg(data: bytes) -> int:
    """Where the scan begins of what Pillow opens as an upright plain JPEG.

    Plain is grey or RGB. Only what an encoder writes that adds nothing is
    looked at here, a tenth of Pillow's time; of all else Pillow has to judge.
    Each segment is a marker, its length, and what belongs to the marker.

    Returns:
        int: Bytes before the coded pixels; 0 for any other file.
    """
    place, frames = 2, 0
    limit = Image.MAX_IMAGE_PIXELS or 0
    if data[:2] != b'\xff\xd8':
        return 0
    while data[place : place + 1] == b'\xff':
        kind = data[place + 1 : place + 2]
        start = place + 4
        place += 2 + int.from_bytes(data[place + 2 : start], 'big')
        size = place - start
        if size <= 0 or place > len(data):
            return 0
        if kind == SCAN:
            return place if frames == 1 else 0
        if kind in FRAMES:
            frames += 1
            if size not in LAYERS:
                return 0
            bits, height, width, layers = FRAME.unpack_from(data, start)
            if bits != 8 or layers != LAYERS[size]:
                return 0
            if not 0 < height * width <= limit:
                return 0
        elif kind == QUANTISATION:
            if size % 65 or any(first > 15 for first in data[start:place:65]):
                return 0
        elif kind == JFIF:
            if size < 14 or data[start : start + 5] != b'JFIF\0':
                return 0
        elif kind not in HARMLESS:
            return 0
    return 0


def require_readable(source: Source) -> tuple[int, int]:
    """Raise what `read_rgb` would; of a JPEG the pixels are not computed.

    Returns:
        tuple[int, int]: Width and height of `read_rgb`'s pixels.

    Raises:
        OSError: As `read_rgb`.
    """
    with opened(source) as image:
        size = _header(image).size
        # an eighth of the size: all of the file is read, and little computed
        image.draft('RGB', (1, 1))
        _rgb(image)
        return size


def read_thumbnail(source: Source, side: int) -> np.ndarray:
    """The whole image as a small square, to compare images with each other.

    Of a JPEG no more is decoded than needed.

    Args:
        source (str | Path | bytes): A path, or the content of a file.
        side (int): Pixels.

    Returns:
        np.ndarray: (side, side, 3) uint8: means over areas of `read_rgb`'s
        pixels, but for the rounding of a decoder.

    Raises:
        OSError: As `read_rgb`.
    """
    with opened(source) as image:
        way = orientation(image)
        image.draft('RGB', (4 * side, 4 * side))
        small = Image.fromarray(_rgb(image)).resize(
            (side, side), Image.Resampling.BOX
        )
        return turned(np.asarray(small), way)


def _rgb(image: Image.Image) -> np.ndarray:
    """Pixels as they lie in the file, (H, W, 3) uint8."""
    if image.mode.startswith('I;16') or (
        image.mode == 'I' and image.format in ('PNG', 'PPM')
    ):
        high = np.asarray(image).astype(np.int32) >> 8
        image = Image.fromarray(high.clip(0, 255).astype(np.uint8))
    elif image.mode in ('I', 'F'):
        raise OSError(
            'its pixels are 32-bit numbers, which have no fixed white; '
            'save it with 8 or 16 bits'
        )
    elif image.mode in ('P', 'L', 'RGB'):
        image.info.pop('transparency', None)  # Pillow would warn
    return np.array(image.convert('RGB'))


class Header(NamedTuple):
    """What the beginning of an image file says.

    Attributes:
        size (tuple[int, int]): Width and height of `read_rgb`'s pixels.
        alike (bool): They are turned or flipped, and the size is as without.
    """

    size: tuple[int, int]
    alike: bool


def read_header(source: Source) -> Header:
    """Read the beginning of an image file.

    Raises:
        OSError: The file is not an image; whether it is whole is not seen.
    """
    with opened(source) as image:
        return _header(image)


def _header(image: ImageFile.ImageFile) -> Header:
    """`read_header` of an image that is opened, and not decoded yet."""
    width, height = image.size
    way = orientation(image)
    # a TIFF's size is of the turned image
    tag = getattr(image, 'tag_v2', {}).get(ExifTags.Base.Orientation, way)
    return Header(
        (height, width) if way in TURNED else (width, height),
        tag in FLIPPED or (tag in TURNED and width == height),
    )


def image_size(source: Source) -> tuple[int, int]:
    """Width and height of `read_rgb`'s pixels, as `read_header`."""
    return read_header(source).size


def orientation(image: Image.Image) -> int:
    """How pixels lie in the file, 1 to 8; 1 is upright.

    It is EXIF's tag of this name, or XMP's. TIFF files have it too, but
    Pillow turns these itself. Data that are damaged say nothing: the pixels
    are whole, and every other program reads them as they lie.

    Args:
        image (Image): Opened, and not decoded yet.
    """
    # without these, Pillow would decode a PNG to look behind its pixels
    if image.format == 'TIFF' or not ORIENTED & image.info.keys():
        return 1
    try:
        way = image.getexif().get(ExifTags.Base.Orientation, 1)
    except ERRORS:
        return 1
    return way if way in range(1, 9) else 1


def turned(pixels: np.ndarray, way: int) -> np.ndarray:
    """Pixels (H, W, 3) as they are upright, from an orientation."""
    if way == 1:
        return pixels
    if way in TURNED:
        pixels = pixels.swapaxes(0, 1)
    if way in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if way in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
