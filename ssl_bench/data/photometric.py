"""Colour changes of a view: torchvision's, on uint8 tensors (3, H, W).

The papers' programs run torchvision on Pillow's images. Of these, brightness,
solarisation and the blur here are equal in every pixel; contrast, saturation
and grey differ by at most one level; hue, which Pillow turns in 8 bits, by
0.54 levels on average and at most 8 (on 16 photographs).
"""

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ssl_bench.errors import unknown_name

Step = dict | Callable[[Tensor], Tensor]


class RandomGaussianBlur:
    """Blur with a standard deviation drawn for each image.

    It is Pillow's ``GaussianBlur(radius=sigma)``, as in the papers'
    programs: three box filters in each direction. The Gaussian itself would
    differ by up to 21 grey levels.

    Args:
        sigma (tuple): Lower and upper bound in pixels, drawn uniformly.
        p (float): Probability of blurring at all.
    """

    def __init__(
        self, sigma: tuple[float, float] = (0.1, 2.0), p: float = 0.5
    ) -> None:
        self.sigma = sigma
        self.p = p

    def __call__(self, image: Tensor) -> Tensor:
        if random.random() >= self.p:
            return image
        return gaussian_blur(image, random.uniform(*self.sigma))


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur a uint8 image (3, H, W) with deviation ``sigma`` in pixels."""
    array = image.permute(1, 2, 0).contiguous().numpy()  # (H, W, 3)
    blurred = Image.fromarray(array).filter(ImageFilter.GaussianBlur(sigma))
    return torch.from_numpy(np.array(blurred)).permute(2, 0, 1)


OURS = dict(RandomGaussianBlur=RandomGaussianBlur)


def build_photometric(steps: Sequence[Step]) -> Callable[[Tensor], Tensor]:
    """Compose colour steps in the order given.

    Args:
        steps (sequence): Callables, or dicts whose ``type`` names
            `RandomGaussianBlur` or any class of `torchvision.transforms.v2`
            (``ColorJitter``, ``RandomGrayscale``, ``RandomSolarize``, ...).
            ``RandomApply`` takes its ``transforms`` as such a list.

    Returns:
        callable: uint8 (3, H, W) to uint8 (3, H, W).

    Raises:
        UserError: A type that neither torchvision nor this module has.
    """
    built = [_build(step) for step in steps]

    def apply(image: Tensor) -> Tensor:
        for step in built:
            image = step(image)
        return image

    return apply


def _build(step: Step) -> Callable[[Tensor], Tensor]:
    if callable(step) and not isinstance(step, dict):
        return step
    arguments = dict(step)
    name = arguments.pop('type')
    if 'transforms' in arguments:
        arguments['transforms'] = [
            _build(inner) for inner in arguments['transforms']
        ]
    # imports torch's compiler, which takes half a second
    from torchvision.transforms import v2

    kind = OURS.get(name) or getattr(v2, name, None)
    if kind is None:
        raise unknown_name(
            'photometric step',
            name,
            [*OURS, *(n for n in dir(v2) if n[0].isupper())],
        )
    return kind(**arguments)
