"""Colour changes of one image: numpy uint8 (H, W, 3), with OpenCV.

The papers' programs run torchvision on Pillow's images. All changes here give
Pillow's pixels, except for the hue: Pillow computes its 8-bit HSV in floating
point, OpenCV in integers, 0.39 levels from it on average and at most 6 (on 16
photographs).
"""

import cv2
import numpy as np
from PIL import Image, ImageFilter

LEVELS = np.arange(256, dtype=np.float32)


def jitter(pixels: np.ndarray, *values: float) -> np.ndarray:
    """Brightness, contrast, saturation and hue; see `ColorJitter.values`."""
    for which in values[:4]:
        if which >= 0:
            pixels = CHANGES[int(which)](pixels, values[4 + int(which)])
    return pixels


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black."""
    return cv2.LUT(pixels, blend_table(0, factor))


def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the mean grey, rounded to a whole number."""
    return cv2.LUT(pixels, blend_table(mean_grey(pixels), factor))


def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the image's grey."""
    first = grey(pixels)[..., None].astype(np.float32)
    blended = first + np.float32(factor) * (pixels - first)
    return blended.clip(0, 255).astype(np.uint8)


def hue(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Shift the 8-bit hue by ``int(factor * 255)``, with wrap."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(int(factor * 255) & 255)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def grayscale(pixels: np.ndarray) -> np.ndarray:
    """Three equal channels."""
    return cv2.cvtColor(grey(pixels), cv2.COLOR_GRAY2RGB)


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Pillow's blur: three extended box filters in each direction."""
    image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma))
    return np.array(image)


def solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` on."""
    table = np.where(LEVELS >= threshold, 255 - LEVELS, LEVELS)
    return cv2.LUT(pixels, table.astype(np.uint8))


def invert(pixels: np.ndarray) -> np.ndarray:
    """Invert all values."""
    return cv2.bitwise_not(pixels)


def blend_table(first: int, factor: float) -> np.ndarray:
    """Pillow's blend of one level with each level, 256 uint8.

    It computes ``first + factor * (level - first)`` in float32 and cuts off
    the fraction.
    """
    start = np.float32(first)
    blended = start + np.float32(factor) * (LEVELS - start)
    return blended.clip(0, 255).astype(np.uint8)


def grey(pixels: np.ndarray) -> np.ndarray:
    """Pillow's grey, (H, W) uint8: ITU-R 601 weights of 16 bits."""
    weights = np.array([19595, 38470, 7471], np.float32) / 65536
    return (pixels.astype(np.float32) @ weights + 0.5).astype(np.uint8)


def mean_grey(pixels: np.ndarray) -> int:
    """The mean of `grey`, rounded to a whole number."""
    return int(grey(pixels).mean(dtype=np.float64) + 0.5)


CHANGES = (brightness, contrast, saturation, hue)
PAINT = dict(
    ColorJitter=jitter,
    RandomGrayscale=grayscale,
    RandomGaussianBlur=blur,
    RandomSolarize=solarize,
    RandomInvert=invert,
)
