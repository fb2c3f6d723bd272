"""Textures: patches of the photographs inside scikit-image's wheel."""

import importlib.util
import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.errors import UserError

#: Photographs in the wheel itself; skimage.data would download the others.
PHOTOS = (
    'astronaut.png',
    'brick.png',
    'camera.png',
    'chelsea.png',
    'coffee.png',
    'coins.png',
    'grass.png',
    'gravel.png',
    'hubble_deep_field.jpg',
    'ihc.png',
    'moon.png',
    'motorcycle_left.png',
    'retina.jpg',
    'rocket.jpg',
)


@lru_cache(maxsize=1)
def load_photos() -> tuple[tuple[Image.Image, ...], ...]:
    """Read every photograph with its half and quarter size.

    Raises:
        UserError: scikit-image, or a photograph in it, is missing.
    """
    spec = importlib.util.find_spec('skimage')
    origin = spec.origin if spec else None
    folder = Path(origin).parent / 'data' if origin else Path('skimage')
    missing = [name for name in PHOTOS if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"the embedded data is composed from scikit-image's photographs,"
            f' and {", ".join(missing)} is not in {folder}. Reinstall it: '
            'pip install --force-reinstall scikit-image'
        )
    pyramids = []
    for name in PHOTOS:
        with Image.open(folder / name) as file:
            photo = file.convert('RGB')
        if max(photo.size) > 800:  # texture of a size like the others'
            photo = photo.reduce(2)
        pyramids.append((photo, photo.reduce(2), photo.reduce(4)))
    return tuple(pyramids)


def patch(
    rng: np.random.Generator, size: tuple[int, int], zoom: float, angle: float
) -> Image.Image:
    """Cut a rotated rectangle out of a random photograph.

    Args:
        rng (np.random.Generator): Draws the photograph, the place, a mirror.
        size (tuple[int, int]): Width and height of the patch in pixels.
        zoom (float): Pixels of the photograph per pixel of the patch;
            lowered where the photograph is too small for it.
        angle (float): Rotation in radians.

    Returns:
        Image: RGB, ``size``.
    """
    photos = load_photos()
    pyramid = photos[rng.integers(len(photos))]
    mirror = rng.choice((-1, 1))
    cos, sin = math.cos(angle), math.sin(angle)
    width, height = pyramid[0].size
    reach_x = (abs(cos) * size[0] + abs(sin) * size[1]) / 2
    reach_y = (abs(sin) * size[0] + abs(cos) * size[1]) / 2
    zoom = min(zoom, (width / 2 - 1) / reach_x, (height / 2 - 1) / reach_y)
    x = rng.uniform(zoom * reach_x, width - zoom * reach_x)
    y = rng.uniform(zoom * reach_y, height - zoom * reach_y)
    level = min(max(int(math.log2(max(zoom, 1e-6)) + 0.5), 0), 2)
    zoom, x, y = (value / 2**level for value in (zoom, x, y))
    a, b = zoom * cos * mirror, -zoom * sin
    d, e = zoom * sin * mirror, zoom * cos
    return pyramid[level].transform(
        size,
        Image.Transform.AFFINE,
        (
            a,
            b,
            x - a * size[0] / 2 - b * size[1] / 2,
            d,
            e,
            y - d * size[0] / 2 - e * size[1] / 2,
        ),
        resample=Image.Resampling.BILINEAR,
    )


def hue_matrix(angle: float) -> list[list[float]]:
    """Rotation of RGB about the grey axis by ``angle`` radians, 3 x 3."""
    cos, sin = math.cos(angle), math.sin(angle) / math.sqrt(3)
    same, rest = cos + (1 - cos) / 3, (1 - cos) / 3
    return [
        [same, rest - sin, rest + sin],
        [rest + sin, same, rest - sin],
        [rest - sin, rest + sin, same],
    ]


def recolour(
    rng: np.random.Generator, image: Image.Image, light: float, spread: float
) -> Image.Image:
    """Give a patch a random hue and tint, and the asked brightness.

    Args:
        rng (np.random.Generator): Draws hue rotation, saturation and tint.
        image (Image): RGB.
        light (float): Mean grey value of the result, 0..255, but for
            clipping.
        spread (float): Standard deviation of the grey values of the result;
            a flat patch is raised to at most four times its own.
    """
    mean, _ = moments(image)
    _, deviation = moments(image.convert('L'))
    gain = min(spread / max(float(deviation[0]), 1.0), 4.0)
    turn = hue_matrix(rng.uniform(0, 2 * math.pi))
    colour = rng.uniform(0.2, 0.8)
    hue, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 15)
    matrix: list[float] = []
    for channel, row in enumerate(turn):
        tint = strength * math.cos(hue + channel * 2 * math.pi / 3)
        row = [
            gain * (colour * value + (1 - colour) * grey)
            for value, grey in zip(row, (0.299, 0.587, 0.114))
        ]
        shift = sum(a * b for a, b in zip(row, mean.tolist()))
        matrix += [*row, light + tint - shift]
    return image.convert('RGB', tuple(matrix))


def moments(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each band, (bands,) float64 each.

    Summed in whole numbers, so that no processor rounds them differently.
    """
    counts = np.array(image.histogram(), np.int64).reshape(-1, 256)
    values = np.arange(256)
    pixels = counts[0].sum()
    total, squares = counts @ values, counts @ values**2
    mean = total / pixels
    return mean, np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))
