"""The fast decoder of plain JPEG files is Pillow, pixel for pixel."""

import io
import sys

import numpy as np
import pytest
import torchvision.io  # noqa: F401  the decoder is used where this is loaded
from PIL import Image

from ssl_bench import pixels


def encoded(image, **options):
    file = io.BytesIO()
    image.save(file, 'JPEG', **options)
    return file.getvalue()


def by_pillow(data):
    """Pixels by Pillow alone, or None where it refuses the file."""
    try:
        with pixels.opened(data) as image:
            way = pixels.orientation(image)
            return pixels.turned(pixels._rgb(image), way)
    except OSError:
        return None


def ours(data):
    try:
        return pixels.read_rgb(data)
    except OSError:
        return None


@pytest.mark.parametrize('mode', ['RGB', 'L'])
@pytest.mark.parametrize('subsampling', [0, 1, 2])
@pytest.mark.parametrize('progressive', [False, True])
def test_plain_files(photo, mode, subsampling, progressive):
    for size in ((1, 1), (7, 30), (61, 44)):
        image = Image.fromarray(photo[: size[0], : size[1]]).convert(mode)
        data = encoded(
            image,
            subsampling=subsampling,
            progressive=progressive,
            restart_marker_rows=1,
        )
        assert pixels.bare_jpeg(data)
        found = ours(data)
        assert found.flags.c_contiguous and found.flags.writeable
        assert np.array_equal(found, by_pillow(data))


def test_turned_by_exif(photo):
    exif = Image.Exif()
    exif[pixels.ExifTags.Base.Orientation] = 6
    data = encoded(Image.fromarray(photo[:20, :30]), exif=exif)
    found = ours(data)
    assert found.shape == (30, 20, 3)
    assert np.array_equal(found, by_pillow(data))


def test_odd_files_are_pillow_s(photo):
    image = Image.fromarray(photo[:20, :30])
    assert not pixels.bare_jpeg(encoded(image.convert('CMYK')))
    assert np.array_equal(
        ours(encoded(image.convert('CMYK'))),
        by_pillow(encoded(image.convert('CMYK'))),
    )
    file = io.BytesIO()
    image.save(file, 'PNG')
    assert not pixels.bare_jpeg(file.getvalue())


def test_nothing_is_imported_for_it(photo, monkeypatch):
    data = encoded(Image.fromarray(photo[:20, :30]))
    monkeypatch.delitem(sys.modules, 'torchvision.io')
    monkeypatch.setattr(pixels, '_decoded', None)  # not called
    assert np.array_equal(ours(data), by_pillow(data))


def test_pillow_judges_the_size(photo, monkeypatch):
    data = encoded(Image.fromarray(photo[:20, :30]))
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 200)
    assert ours(data) is None and by_pillow(data) is None


def test_odd_headers(photo):
    """What is decoded without Pillow is what Pillow would decode."""
    rng = np.random.default_rng(1)
    image = Image.fromarray(photo[:20, :30])
    bare = 0
    for i in range(1000):
        data = bytearray(
            encoded(
                image if i % 3 else image.convert('L'),
                progressive=bool(i % 2),
                comment=b'text' if i % 5 == 0 else b'',
            )
        )
        header = data.index(b'\xff\xda') + 12
        for place in rng.integers(0, header, rng.integers(1, 4)):
            data[place] = rng.choice([rng.integers(256), 0, 1, 3, 255])
        if not i % 4:
            at = int(rng.integers(header))
            del data[at : at + int(rng.integers(1, 6))]
        if not i % 50:
            del data[int(rng.integers(header)) :]
        if not pixels.bare_jpeg(bytes(data)):
            continue
        bare += 1
        with pixels.opened(bytes(data)) as opened:
            assert opened.format == 'JPEG' and opened.mode in pixels.PLAIN
            assert pixels.orientation(opened) == 1
        one, two = ours(bytes(data)), by_pillow(bytes(data))
        assert np.array_equal(one, two) if two is not None else one is None
    assert bare > 100


def damaged(data, rng):
    """A file cut short, with other bytes in it, or with bytes missing."""
    data = bytearray(data)
    kind, at = rng.integers(4), int(rng.integers(2, len(data)))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        data[at] = rng.integers(256)
    elif kind == 2:
        for place in rng.integers(len(data) * 2 // 3, len(data), 8):
            data[place] = rng.integers(256)
    else:
        del data[at : at + int(rng.integers(1, 20))]
    return bytes(data)


def test_damaged_files(photo, capfd):
    """Taken, refused and decoded as Pillow does, whatever is damaged."""
    rng = np.random.default_rng(0)
    taken = refused = 0
    for i in range(400):
        height, width = rng.integers(1, 60, 2)
        image = Image.fromarray(photo[:height, :width])
        data = encoded(
            image if i % 4 else image.convert('L'),
            progressive=bool(i % 2),
            quality=int(rng.integers(20, 98)),
        )
        data = damaged(data, rng)
        one, two = ours(data), by_pillow(data)
        assert (one is None) == (two is None), i
        if one is None:
            refused += 1
        else:
            taken += 1
            assert np.array_equal(one, two), i
    assert taken > 50 and refused > 50
