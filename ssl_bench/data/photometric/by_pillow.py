"""Colour changes of one image by Pillow, where nothing can be compiled.

The same functions as in ``on_image.py``: numpy uint8 (H, W, 3) in and out.
"""

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps


def brightness(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with black."""
    return np.array(ImageEnhance.Brightness(_image(pixels)).enhance(factor))


def contrast(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the mean grey, rounded to a whole number."""
    return np.array(ImageEnhance.Contrast(_image(pixels)).enhance(factor))


def saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Blend with the image's grey."""
    return np.array(ImageEnhance.Color(_image(pixels)).enhance(factor))


def hue(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Shift the 8-bit hue by ``int(factor * 255)``, with wrap."""
    hues, *others = _image(pixels).convert('HSV').split()
    shifted = np.asarray(hues) + np.uint8(int(factor * 255) & 255)
    merged = Image.merge('HSV', [Image.fromarray(shifted), *others])
    return np.array(merged.convert('RGB'))


def grayscale(pixels: np.ndarray) -> np.ndarray:
    """Three equal channels."""
    return np.array(_image(pixels).convert('L').convert('RGB'))


def blur(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Three extended box filters in each direction."""
    return np.array(_image(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` on."""
    return np.array(ImageOps.solarize(_image(pixels), math.ceil(threshold)))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))
