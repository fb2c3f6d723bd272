"""One reader of pixels: what it takes for an image, and what it sees."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from ssl_bench.pixels import image_size, read_rgb, require_readable
from ssl_bench.toolbox.load_images import read_bgr

RAMP = np.tile(np.linspace(0, 255, 40).round(), (30, 1)).astype(np.uint8)


def coded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def corners():
    """Four colours, so that every turn is another picture; 24 x 40."""
    pixels = np.zeros((40, 24, 3), np.uint8)
    pixels[:20, :12] = 250, 0, 0
    pixels[:20, 12:] = 0, 250, 0
    pixels[20:, :12] = 0, 0, 250
    return Image.fromarray(pixels)


@pytest.mark.parametrize('way', range(1, 9))
@pytest.mark.parametrize(
    'kind, options',
    [
        ('JPEG', dict(subsampling=0, quality=95)),
        ('PNG', {}),
        ('WEBP', dict(lossless=True)),
        ('TIFF', {}),
        ('TIFF', dict(compression='tiff_lzw')),
    ],
)
def test_images_are_upright_however_they_are_read(way, kind, options):
    exif = Image.Exif()
    exif[0x0112] = way
    content = coded(
        corners(),
        kind,
        exif=exif if kind == 'TIFF' else exif.tobytes(),
        **options,
    )
    with Image.open(io.BytesIO(content)) as image:
        wanted = np.array(ImageOps.exif_transpose(image))
    found = read_rgb(content)
    assert np.array_equal(found, wanted)
    assert image_size(content) == found.shape[1::-1]
    assert found.shape[:2] == ((24, 40) if way > 4 else (40, 24))
    apart = np.abs(read_bgr(content)[..., ::-1].astype(int) - wanted)
    assert apart.max() <= (8 if kind == 'JPEG' else 0)
    if way > 1 and kind == 'JPEG':  # as OpenCV does it alone
        own = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(own, read_bgr(content))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize(
    'exif', [b'MM', b'II*\0', b'Exif\0\0II*\0\xff\xff\xff\x7f', bytes(50)]
)
def test_damaged_exif_data_say_nothing(kind, exif):
    content = coded(corners(), kind, exif=exif)
    assert read_rgb(content).shape == (40, 24, 3)
    assert read_bgr(content).shape == (40, 24, 3)
    assert image_size(content) == (24, 40)
    require_readable(content)


def stored(mode, kind):
    """A grey ramp in one of the ways that files have."""
    if mode == 'I;16':
        return coded(Image.fromarray(RAMP.astype(np.uint16) * 257), kind)
    image = Image.fromarray(RAMP).convert('RGB')
    options = {}
    if mode == 'P;transparent':
        mode, options = 'P', dict(transparency=bytes(range(255, -1, -1)))
    image = image.convert(mode, palette=Image.Palette.ADAPTIVE)
    if 'A' in mode:
        image.putalpha(Image.fromarray(RAMP))
        options = dict(lossless=True, exact=True) if kind == 'WEBP' else {}
    return coded(image, kind, **options)


@pytest.mark.parametrize(
    'mode, kind',
    [
        ('L', 'PNG'),
        ('L', 'JPEG'),
        ('L', 'PPM'),
        ('L', 'WEBP'),
        ('LA', 'PNG'),
        ('CMYK', 'JPEG'),
        ('CMYK', 'TIFF'),
        ('P', 'PNG'),
        ('P;transparent', 'PNG'),
        ('RGB', 'BMP'),
        ('RGB', 'GIF'),
        ('RGBA', 'PNG'),
        ('RGBA', 'WEBP'),
        ('I;16', 'PNG'),
        ('I;16', 'TIFF'),
        ('I;16', 'PPM'),
    ],
)
def test_a_ramp_is_the_same_however_it_is_stored(mode, kind):
    """16 bits keep their high byte; transparency is ignored."""
    content = stored(mode, kind)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = read_rgb(content)
        require_readable(content)
    assert found.shape == (30, 40, 3) and found.dtype == np.uint8
    apart = np.abs(found.astype(int) - RAMP[..., None])
    assert apart.max() <= (4 if kind in ('JPEG', 'WEBP') else 1)
    both = np.abs(found.astype(int) - read_bgr(content)[..., ::-1])
    assert both.max() <= (3 if (mode, kind) == ('L', 'JPEG') else 0)


def test_one_bit_and_dark_16_bit_images():
    found = read_rgb(coded(Image.fromarray(RAMP > 127), 'PNG'))
    assert np.array_equal(found[..., 0], 255 * (RAMP > 127))
    dark = Image.fromarray(np.full((4, 5), 200, np.uint16))
    assert not read_rgb(coded(dark, 'PNG')).any()  # of 65535


@pytest.mark.parametrize('kind', [np.float32, np.int32])
def test_32_bit_images_have_no_white(kind):
    content = coded(Image.fromarray(RAMP.astype(kind)), 'TIFF')
    for read in (read_rgb, read_bgr, require_readable):
        with pytest.raises(OSError, match='no fixed white'):
            read(content)


def huge_png(side):
    """A header that promises side x side pixels."""

    def chunk(name, data):
        crc = struct.pack('>I', zlib.crc32(name + data))
        return struct.pack('>I', len(data)) + name + data + crc

    head = chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0))
    return (
        b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', b'') + chunk(b'IEND', b'')
    )


def huge_jpeg(side):
    """A small JPEG whose header is changed to side x side pixels."""
    content = bytearray(coded(corners(), 'JPEG'))
    place = content.index(b'\xff\xc0') + 5
    content[place : place + 4] = struct.pack('>HH', side, side)
    return bytes(content)


BROKEN = {
    'empty': (b'', 'it is not an image'),
    'text': (b'no image', 'it is not an image'),
    'png bomb': (huge_png(40000), 'more than 178956970 pixels'),
    'jpeg bomb': (huge_jpeg(40000), 'more than 178956970 pixels'),
    'eps': (
        b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n',
        'format EPS',
    ),
}
for name, options in (('', {}), (' progressive', dict(progressive=True))):
    whole = coded(corners(), 'JPEG', quality=95, **options)
    for left in (0.5, 0.9, 1):
        cut = whole[: int(len(whole) * left) - 2]
        BROKEN[f'{left} of a{name} jpeg'] = cut, ''
    for tail in (b'', b'\0' * 100, b'text'):  # is read by both
        BROKEN[f'whole{name} jpeg {tail[:1]}'] = whole + tail, None
whole = coded(corners(), 'PNG')
BROKEN['half of a png'] = whole[: len(whole) // 2], ''


@pytest.mark.parametrize('content, words', BROKEN.values(), ids=BROKEN)
def test_all_readers_agree_on_what_is_an_image(content, words):
    for read in (read_rgb, read_bgr, require_readable):
        if words is None:
            read(content)
        else:
            with pytest.raises(OSError, match=words):
                read(content)


def test_damaged_bytes_raise_one_kind_of_error():
    """Pillow has many, by format and place."""
    draw = np.random.default_rng(0)
    for kind in ('JPEG', 'PNG', 'TIFF', 'WEBP', 'GIF', 'BMP'):
        whole = np.frombuffer(coded(corners(), kind), np.uint8)
        for _ in range(40):
            spoilt = whole.copy()
            for place in draw.integers(0, min(len(whole), 200), 3):
                spoilt[place] = draw.integers(256)
            content, outcomes = spoilt.tobytes(), []
            for read in (read_rgb, read_bgr, image_size, require_readable):
                try:
                    outcomes.append(read(content) is None)
                except OSError:
                    outcomes.append('error')
            assert (outcomes[0] == 'error') == (outcomes[3] == 'error')


def test_a_missing_file_is_said_as_the_system_says_it(tmp_path):
    for read in (read_rgb, image_size):
        with pytest.raises(FileNotFoundError, match='No such file'):
            read(str(tmp_path / 'none.jpg'))
