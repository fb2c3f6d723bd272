"""Colour changes of one image: numpy uint8 (H, W, 3).

The papers' programs run torchvision on Pillow's images, and these changes are
equal to Pillow's in every pixel. They are compiled (``kernels.py``) for
images whose channels lie together, each in a plane of its own; they take
others, and return such images. Where numba does not work, Pillow itself
makes the changes (``by_pillow.py``).
"""

import logging
import math
from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from ssl_bench.data.photometric import by_pillow
from ssl_bench.errors import one_line


def compiled_kernels() -> ModuleType:
    """The compiled parts; the first call may take some seconds."""
    # imports numba, which takes half a second
    from ssl_bench.data.photometric import kernels

    return kernels


@cache
def compiles() -> bool:
    """Whether numba works here; if not, a warning says so.

    A process that starts workers calls this before, so that they share what
    is compiled.
    """
    try:
        compiled_kernels()
    except Exception as error:  # of any kind: wrong versions, no LLVM
        if get_worker_info() is None:  # said before the workers started
            print_log(
                'colours of views change by Pillow, to the same pixels but '
                'slower: numba does not work here '
                f'({type(error).__name__}: {one_line(error)}). Install one '
                "that fits this numpy: pip install -U 'numba>=0.61'",
                'current',
                logging.WARNING,
            )
        return False
    return True


def or_by_pillow(change: Callable) -> Callable:
    """Let Pillow make a change where nothing is compiled."""

    @wraps(change)
    def made(pixels: np.ndarray, *values: float) -> np.ndarray:
        if compiles():
            return change(pixels, *values)
        return getattr(by_pillow, change.__name__)(pixels, *values)

    return made


def planes_of(pixels: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) as (3, H, W): each channel lies together."""
    planes = pixels.transpose(2, 0, 1)
    if planes.flags.c_contiguous and planes.flags.writeable:
        return planes
    planes = np.empty(planes.shape, np.uint8)
    cv2.split(pixels, [*planes])
    return planes


def jitter(pixels: np.ndarray, *values: float) -> np.ndarray:
    """Brightness, contrast, saturation and hue; see `ColorJitter.values`."""
    for which in values[:4]:
        if which >= 0:
            pixels = CHANGES[int(which)](pixels, values[4 + int(which)])
    return pixels


@or_by_pillow
def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black."""
    return _blend_level(planes_of(pixels), 0, factor)


@or_by_pillow
def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the mean grey, rounded to a whole number."""
    planes = planes_of(pixels)
    total = compiled_kernels().sum_of_grey(planes.reshape(3, -1))
    mean = int(total / planes[0].size + 0.5)
    return _blend_level(planes, mean, factor)


def _blend_level(planes: np.ndarray, level: int, factor: float) -> np.ndarray:
    out = np.empty_like(planes)
    compiled_kernels().blend_level(
        planes.reshape(-1), out.reshape(-1), level, factor
    )
    return out.transpose(1, 2, 0)


@or_by_pillow
def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the image's grey."""
    return _of_pixels(compiled_kernels().blend_grey, pixels, factor)


@or_by_pillow
def hue(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Shift the 8-bit hue by ``int(factor * 255)``, with wrap."""
    shift = int(factor * 255) & 255
    return _of_pixels(compiled_kernels().shift_hue, pixels, shift)


def _of_pixels(
    kernel: Callable, pixels: np.ndarray, number: float
) -> np.ndarray:
    """The image that a kernel makes of planes (3, H W)."""
    planes = planes_of(pixels)
    out = np.empty_like(planes)
    kernel(planes.reshape(3, -1), out.reshape(3, -1), number)
    return out.transpose(1, 2, 0)


@or_by_pillow
def grayscale(pixels: np.ndarray) -> np.ndarray:
    """Three equal channels."""
    planes = planes_of(pixels)
    out = np.empty_like(planes)
    compiled_kernels().grey_levels(planes.reshape(3, -1), out[0].reshape(-1))
    out[1:] = out[0]
    return out.transpose(1, 2, 0)


@or_by_pillow
def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Pillow's blur: three extended box filters in each direction."""
    planes = planes_of(pixels)
    _, height, width = planes.shape
    weights = [int(number) for number in box_weights(sigma)]
    across, out = np.empty_like(planes), np.empty_like(planes)
    kernel, flat = compiled_kernels().blur_lines, across.reshape(-1)
    kernel(planes.reshape(-1), flat, 1, width, *weights)
    kernel(flat, out.reshape(-1), width, height, *weights)
    return out.transpose(1, 2, 0)


@or_by_pillow
def solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` on."""
    lowest = min(max(math.ceil(threshold), 0), 256)
    planes = planes_of(pixels)
    out = np.empty_like(planes)
    compiled_kernels().invert_from(planes.reshape(-1), out.reshape(-1), lowest)
    return out.transpose(1, 2, 0)


def invert(pixels: np.ndarray) -> np.ndarray:
    """Invert all values."""
    return np.invert(planes_of(pixels)).transpose(1, 2, 0)


def box_weights(sigma: Any) -> tuple[Any, Any, Any]:
    """Pillow's box filter, three of which stand for a Gaussian.

    Source: Gwosdek et al., "Theoretical foundations of Gaussian convolution
    by extended box filtering", SSVM 2011, for three passes.

    Args:
        sigma (float | np.ndarray): Standard deviation of the Gaussian in
            pixels, or one for each image, (N,).

    Returns:
        tuple: How many pixels on each side have the full weight, this weight,
        and that of the two outer pixels, in units of 2 ** -24; int64. It is
        computed in float32, as Pillow does.
    """
    one = np.float32
    variance = one(sigma) * one(sigma) / one(3)
    length = one(np.sqrt(12.0 * np.float64(variance) + 1.0))
    whole = one(np.floor((np.float64(length) - 1.0) / 2.0))
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = part / (6 * (variance - (whole + 1) * (whole + 1)))
    radius = one(whole + part)
    edge = np.int64(radius)
    inner = np.int64(one(1 << 24) / (radius * 2 + 1))
    return edge, inner, ((1 << 24) - (2 * edge + 1) * inner) // 2


CHANGES = (brightness, contrast, saturation, hue)
PAINT: dict[str, Callable[..., np.ndarray]] = dict(
    ColorJitter=jitter,
    RandomGrayscale=grayscale,
    RandomGaussianBlur=blur,
    RandomSolarize=solarize,
    RandomInvert=invert,
)
