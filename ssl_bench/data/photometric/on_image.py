"""Colour changes of one image: numpy uint8 (H, W, 3), with OpenCV.

The papers' programs run torchvision on Pillow's images. Brightness, contrast,
saturation, grey and solarisation here are equal to Pillow's in every pixel,
and the blur is within one level. Only the hue is not: Pillow computes its
8-bit HSV in floating point, OpenCV in integers, 0.39 levels from it on
average and at most 7 (on 16 photographs).

Pillow cuts off the fraction of a blend. OpenCV rounds, so nearly a half is
subtracted first. Where a value of the blend is so near to a whole number that
float32 could decide either way, the slower exact form is taken.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageFilter

LEVELS = np.arange(256, dtype=np.float32)
DIFFERENCES = np.arange(-255.0, 256.0)  # of two levels
# more than the error of a weighted sum of two levels in float32, with
# weights of at most 2
MARGIN = 6e-5
IN_CACHE = 12288  # pixels, 144 KB of float32
# with half of a kernel: of weights with the sum 1, OpenCV keeps 8 bits
TWICE = np.array([2], np.float32)
GREY = np.array([[19595, 38470, 7471, 32768]], np.float32) / 65536


def jitter(pixels: np.ndarray, *values: float) -> np.ndarray:
    """Brightness, contrast, saturation and hue; see `ColorJitter.values`."""
    for which in values[:4]:
        if which >= 0:
            pixels = CHANGES[int(which)](pixels, values[4 + int(which)])
    return pixels


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black."""
    return _blend_level(pixels, 0, factor)


def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the mean grey, rounded to a whole number."""
    return _blend_level(pixels, mean_grey(pixels), factor)


def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the image's grey."""
    factor = float(np.float32(factor))
    first = grayscale(pixels)
    if _float32_is_enough(factor * DIFFERENCES, factor):
        return cv2.addWeighted(pixels, factor, first, 1 - factor, MARGIN - 0.5)
    return _blend(first.astype(np.float32), pixels, factor)


def hue(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Shift the 8-bit hue by ``int(factor * 255)``, with wrap."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
    height, width = hsv.shape[:2]
    shift = np.zeros((width, 3), np.uint8)
    shift[:, 0] = int(factor * 255) & 255
    rows = hsv.reshape(height, -1)
    np.add(rows, shift.reshape(-1), out=rows)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def grayscale(pixels: np.ndarray) -> np.ndarray:
    """Three equal channels."""
    return cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB)


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Pillow's blur: three extended box filters in each direction."""
    edge, inner, outer = map(int, box_weights(sigma))
    if edge > 1 or _ties(edge, inner, outer):
        image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma))
        return np.array(image)
    half = np.array([outer, *[inner] * (2 * edge + 1), outer], np.float32) / (
        1 << 25
    )
    # along columns takes half of the time of along rows
    for _ in 'rows', 'columns':
        pixels = cv2.transpose(pixels)
        for _ in range(3):
            pixels = cv2.sepFilter2D(
                pixels, cv2.CV_8U, TWICE, half, borderType=cv2.BORDER_REPLICATE
            )
    return pixels


def solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` on."""
    table = np.where(threshold <= LEVELS, 255 - LEVELS, LEVELS)
    return cv2.LUT(pixels, table.astype(np.uint8))


def invert(pixels: np.ndarray) -> np.ndarray:
    """Invert all values."""
    return cv2.bitwise_not(pixels)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Pillow's grey, (H, W) uint8: ITU-R 601 weights of 16 bits.

    float32 holds these sums exactly; the fraction is cut off. It is computed
    in parts that fit a processor's cache.
    """
    height, width = pixels.shape[:2]
    levels = np.empty((height, width), np.uint8)
    rows = max(1, IN_CACHE // width)
    for top in range(0, height, rows):
        part = pixels[top : top + rows].astype(np.float32)
        levels[top : top + rows] = cv2.transform(part, GREY)
    return levels


def mean_grey(pixels: np.ndarray) -> int:
    """The mean of `grey`, rounded to a whole number."""
    levels = grey(pixels)
    return int(cv2.norm(levels, cv2.NORM_L1) / levels.size + 0.5)


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


def _ties(edge: int, inner: int, outer: int) -> bool:
    """Whether sums of the box filter lie halfway between two levels.

    Float32 rounds such a sum up or down by chance. A sum differs from the
    level of the pixel by the differences of its neighbours to it, times the
    weights. One neighbour on each side: all differences are looked at. Two:
    the small ones, since only weights of simple ratios have many ties.
    """
    if edge == 0:
        sums = outer * np.arange(511.0)
    else:
        near = np.arange(-8.0, 9.0)
        sums = inner * near[:, None] + outer * near
    levels = sums / (1 << 24)
    off = np.abs(levels - np.floor(levels) - 0.5)
    return bool(off.min() < MARGIN)


def _blend_level(pixels: np.ndarray, first: int, factor: float) -> np.ndarray:
    """Pillow's blend of a level with an image."""
    factor = float(np.float32(factor))
    if _float32_is_enough(factor * (DIFFERENCES[255:] - first), factor):
        offset = first * (1 - factor) + MARGIN - 0.5
        if offset > -0.5:  # nothing is below zero, so its sign does not matter
            return cv2.convertScaleAbs(pixels, alpha=factor, beta=offset)
        return cv2.addWeighted(pixels, factor, pixels, 0, offset)
    table = _blend(np.float32(first), LEVELS, factor)
    return cv2.LUT(pixels, table)


def _blend(first, second: np.ndarray, factor: float) -> np.ndarray:
    """Pillow's blend: in float32, and the fraction is cut off."""
    blended = first + np.float32(factor) * (second - first)
    return blended.clip(0, 255).astype(np.uint8)


def _float32_is_enough(changes: np.ndarray, factor: float) -> bool:
    """Whether no blend lies just below a whole number.

    Args:
        changes (ndarray): ``factor`` times all differences of two levels
            that can occur, float64 and exact.
        factor (float): Of the second level.
    """
    fractions = changes - np.floor(changes)
    return factor <= 2 and bool(fractions.max() < 1 - 2 * MARGIN)


CHANGES = (brightness, contrast, saturation, hue)
PAINT: dict[str, Callable[..., np.ndarray]] = dict(
    ColorJitter=jitter,
    RandomGrayscale=grayscale,
    RandomGaussianBlur=blur,
    RandomSolarize=solarize,
    RandomInvert=invert,
)
