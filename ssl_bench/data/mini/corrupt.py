"""Corrupted and redrawn pictures, after ImageNet-C, -A, -R and -Sketch.

Severities of the corruptions are those of ImageNet-C (Hendrycks and
Dietterich, ICLR 2019) where they do not depend on the image's size.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

Picture = Callable[[np.random.Generator, Image.Image], Image.Image]
Corruption = Callable[[np.random.Generator, Image.Image, int], Image.Image]


def _to_image(values: np.ndarray) -> Image.Image:
    """(H, W, 3) in 0..1 to RGB."""
    return Image.fromarray((255 * values.clip(0, 1)).round().astype(np.uint8))


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def gaussian_noise(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """Independent noise in every channel."""
    scale = (0.08, 0.12, 0.18, 0.26, 0.38)[severity - 1]
    values = _values(image)
    return _to_image(values + rng.normal(scale=scale, size=values.shape))


def defocus_blur(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """A disc as point spread; radii for pictures of 80 pixels."""
    radius = (1.0, 1.5, 2.0, 3.0, 4.0)[severity - 1]
    grid = np.arange(-5, 6)
    disc = (grid[:, None] ** 2 + grid**2 <= radius**2).astype(np.float32)
    return _to_image(
        ndimage.convolve(
            _values(image), (disc / disc.sum())[..., None], mode='nearest'
        )
    )


def brightness(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """Lift the largest channel, the others in proportion."""
    lift = severity / 10
    values = _values(image)
    top = values.max(axis=2, keepdims=True)
    ratio = (top + lift).clip(0, 1) / np.maximum(top, 1e-3)
    return _to_image(values * ratio)


def contrast(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """Pull every pixel towards the mean colour."""
    left = (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1]
    values = _values(image)
    mean = values.mean(axis=(0, 1), keepdims=True)
    return _to_image(mean + left * (values - mean))


def pixelate(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """Shrink and enlarge again, in blocks."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    small = image.resize(
        [max(1, round(side * share)) for side in image.size],
        Image.Resampling.BOX,
    )
    return small.resize(image.size, Image.Resampling.NEAREST)


def jpeg_compression(
    rng: np.random.Generator, image: Image.Image, severity: int
) -> Image.Image:
    """A file of low quality."""
    file = io.BytesIO()
    image.save(file, 'JPEG', quality=(25, 18, 15, 10, 7)[severity - 1])
    return Image.open(file).convert('RGB')


CORRUPTIONS: dict[str, Corruption] = dict(
    gaussian_noise=gaussian_noise,
    defocus_blur=defocus_blur,
    brightness=brightness,
    contrast=contrast,
    pixelate=pixelate,
    jpeg_compression=jpeg_compression,
)


def hard(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """In place of ImageNet-A: turned, cut off and partly covered."""
    image = image.rotate(
        rng.uniform(-60, 60),
        Image.Resampling.BILINEAR,
        fillcolor=(124, 116, 104),
    )
    width, height = image.size
    left, top = (
        int(rng.integers(0, side // 4 + 1)) for side in (width, height)
    )
    image = image.crop(
        (left, top, left + 3 * width // 4, top + 3 * height // 4)
    ).resize((width, height))
    side = min(width, height) // 3
    x, y = (int(rng.integers(0, size - side + 1)) for size in image.size)
    patch = Image.new(
        'RGB', (side, side), tuple(int(c) for c in rng.integers(0, 256, 3))
    )
    image.paste(patch, (x, y))
    return image


def rendition(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """In place of ImageNet-R: flat areas in few and other colours."""
    flat = image.filter(ImageFilter.ModeFilter(5))
    hue, saturation, value = ImageOps.posterize(flat, 2).convert('HSV').split()
    turn = int(rng.integers(0, 256))
    hue = hue.point(lambda level: (level + turn) % 256)
    return Image.merge('HSV', (hue, saturation, value)).convert('RGB')


def sketch(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """In place of ImageNet-Sketch: dark edges on white."""
    grey = ndimage.gaussian_filter(
        np.asarray(image.convert('L'), np.float32), 1
    )
    edges = np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1))
    edges = 255 * (1 - edges / max(edges.max(), 1.0))
    return Image.fromarray(edges.astype(np.uint8)).convert('RGB')
