"""Colour changes of a batch: uint8 (N, 3, H, W), on any device.

They give the pixels of ``on_image.py``: the arithmetic is the same to the bit.
Parameters stay on the CPU. Which images a change is for is known there, so
the program never waits for the device: it only sends small tensors to it.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ssl_bench.data.photometric import on_image

# values of a batch that change at the same time: a temporary tensor has four
# bytes for each
AT_ONCE = 2**23
GREY = (19595, 38470, 7471)  # ITU-R 601 in 16 bits


def jitter(images: Tensor, parameters: Tensor) -> None:
    """Brightness, contrast, saturation and hue; see `ColorJitter.values`."""
    applied, order, factors = parameters.split([1, 4, 4], dim=1)
    for place in order.unbind(1):
        for which, function in enumerate(CHANGES):
            chosen = (applied[:, 0] > 0) & (place == which)
            _change(images, chosen, function, factors[:, which])


def mirror(images: Tensor, parameters: Tensor) -> None:
    """Exchange left and right."""
    _change(images, parameters[:, 0] > 0, partial(torch.flip, dims=(3,)))


def grayscale(images: Tensor, parameters: Tensor) -> None:
    """Three equal channels."""
    _change(images, parameters[:, 0] > 0, to_grey)


def blur(images: Tensor, parameters: Tensor) -> None:
    """Pillow's blur; images with boxes of the same radius together."""
    applied, sigmas = parameters.unbind(1)
    radii, centres, edges = map(
        torch.from_numpy, on_image.box_weights(sigmas.numpy())
    )
    for radius in radii[applied > 0].unique().tolist():
        boxes = partial(box_blur, radius)
        chosen = (applied > 0) & (radii == radius)
        _change(images, chosen, boxes, centres, edges)


def solarize(images: Tensor, parameters: Tensor) -> None:
    """Invert the values from a threshold on."""
    applied, thresholds = parameters.unbind(1)
    _change(images, applied > 0, inverted_from, thresholds)


def invert(images: Tensor, parameters: Tensor) -> None:
    """Invert all values."""
    _change(images, parameters[:, 0] > 0, torch.bitwise_not)


def _change(
    images: Tensor,
    chosen: Tensor,
    function: Callable[..., Tensor],
    *parameters: Tensor,
) -> None:
    """Change some images of a batch in place.

    Args:
        images (Tensor): uint8, (N, 3, H, W).
        chosen (Tensor): Whether to change each, bool, (N,), on the CPU.
        function (callable): Gets some images and their parameters, each (n,)
            and on the CPU; returns the changed images.
        parameters (Tensor): Of all images, (N,), on the CPU.
    """
    indices = chosen.nonzero().flatten()
    if not len(indices):
        return
    for part in indices.split(max(1, AT_ONCE // images[0].numel())):
        there = send(part, images)
        changed = function(
            images.index_select(0, there), *(p[part] for p in parameters)
        )
        images.index_copy_(0, there, changed)


def send(values: Tensor, images: Tensor) -> Tensor:
    """Copy numbers to the device of the images, without waiting for it."""
    if images.device.type == 'cuda':  # waits for memory that is not pinned
        values = values.pin_memory()
    return values.to(images.device, non_blocking=True)


def of_images(values: Tensor, images: Tensor, dtype: torch.dtype) -> Tensor:
    """One number for each image, (n,), as (n, 1, 1, 1) on its device."""
    return send(values.to(dtype), images).view(-1, 1, 1, 1)


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with black."""
    black = images.new_zeros((1, 1, 1, 1), dtype=torch.float32)
    return blend(black, images, factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the mean grey, rounded to a whole number."""
    levels = grey(images)
    count = levels[0].numel()
    total = levels.sum((1, 2, 3), keepdim=True)  # int64
    mean = (2 * total + count).div(2 * count, rounding_mode='floor')
    return blend(mean.float(), images, factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image's grey."""
    return blend(grey(images).float(), images, factors)


def hue(images: Tensor, factors: Tensor) -> Tensor:
    """Shift Pillow's 8-bit hue by ``int(factor * 255)``, with wrap."""
    to_hsv, to_rgb = hue_tables(images.device)
    shifts = (factors * 255).int() & 255
    count, _, height, width = images.shape
    pixels = images.new_zeros((count, height, width, 4))
    pixels[..., :3] = images.permute(0, 2, 3, 1)
    hsv = to_hsv[pixels.view(torch.int32)]  # (n, H, W, 1)
    hsv.view(torch.uint8)[..., :1] += of_images(shifts, images, torch.uint8)
    rgb = to_rgb[hsv].view(torch.uint8)  # (n, H, W, 4)
    return rgb[..., :3].permute(0, 3, 1, 2)


@cache
def hue_tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """`pillows_colours` on a device, 64 MiB each, made once."""
    to_hsv, to_rgb = pillows_colours()
    return to_hsv.to(device), to_rgb.to(device)


def pillows_colours() -> tuple[Tensor, Tensor]:
    """Pillow's HSV of each RGB colour, and its RGB of each HSV colour.

    Returns:
        tuple[Tensor, Tensor]: int32, (2**24,). The four bytes of an index and
        of a value are the three channels of a colour in order, then 0.
    """
    indices = np.arange(2**24, dtype='<i4').view(np.uint8).reshape(4096, -1, 4)
    colours = np.ascontiguousarray(indices[..., :3])
    tables = []
    for mode, other in ('RGB', 'HSV'), ('HSV', 'RGB'):
        image = Image.frombuffer(mode, (4096, 4096), colours)
        answers = np.zeros_like(indices)
        answers[..., :3] = np.asarray(image.convert(other))
        tables.append(torch.from_numpy(answers.reshape(-1).view('<i4')))
    return tables[0], tables[1]


def to_grey(images: Tensor) -> Tensor:
    """Three equal channels."""
    return grey(images).byte().expand_as(images)


def inverted_from(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert the values from the thresholds, (n,), on."""
    limits = of_images(thresholds, images, torch.float32)
    return torch.where(images >= limits, ~images, images)


def grey(images: Tensor) -> Tensor:
    """Pillow's grey, int32, (n, 1, H, W): ITU-R 601 weights of 16 bits."""
    total = torch.full_like(images[:, :1], 0x8000, dtype=torch.int32)
    for channel, weight in zip(images.split(1, dim=1), GREY, strict=True):
        total.add_(channel, alpha=weight)
    return total.bitwise_right_shift_(16)


def blend(first: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """Pillow's blend, from ``first`` (n or 1, 1, H or 1, W or 1).

    It computes ``first + factor * (image - first)`` in float32 and cuts off
    the fraction. Each operation is a call, since a device would round a
    multiplication and an addition together otherwise.
    """
    blended = images - first
    blended.mul_(of_images(factors, images, torch.float32))
    return blended.add_(first).clamp_(0, 255).byte()


def box_blur(
    radius: int, images: Tensor, centres: Tensor, edges: Tensor
) -> Tensor:
    """Three box filters along rows, and three along columns."""
    centre = of_images(centres, images, torch.int32)
    edge = of_images(edges, images, torch.int32)
    for dim in (3, 3, 3, 2, 2, 2):
        images = box_pass(images, radius, centre, edge, dim)
    return images


def box_pass(
    images: Tensor, radius: int, centre: Tensor, edge: Tensor, dim: int
) -> Tensor:
    """One box filter, rounded to levels; pixels outside are the nearest.

    Sums have up to 32 bits without a sign, and the level is the first 8 of
    them. int32 wraps, and has the same bits.

    Args:
        images (Tensor): uint8, (n, 3, H, W).
        radius (int): Pixels of the box on each side.
        centre, edge (Tensor): Weights as `box_weights` has them, int32,
            (n, 1, 1, 1).
        dim (int): Dimension to filter along.
    """
    size, border = images.shape[dim], radius + 1
    first, last = images.narrow(dim, 0, 1), images.narrow(dim, size - 1, 1)
    padded = torch.cat([first] * border + [images] + [last] * border, dim)
    total = torch.full_like(images, 2**23, dtype=torch.int32)
    for step in range(-border, border + 1):
        weight = edge if abs(step) == border else centre
        total.addcmul_(padded.narrow(dim, border + step, size), weight)
    # the last byte of four is the one of the highest bits
    return total.view(torch.uint8)[..., 3::4]


CHANGES = (brightness, contrast, saturation, hue)
PAINT = dict(
    ColorJitter=jitter,
    RandomGrayscale=grayscale,
    RandomGaussianBlur=blur,
    RandomSolarize=solarize,
    RandomInvert=invert,
)
