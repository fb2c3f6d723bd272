"""Training images of in-context segmentation: cropped, with other colours."""

import math
import zlib
from collections.abc import Mapping, Sequence
from os.path import basename
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATASETS, TRANSFORMS

from ssl_bench.config import map_nodes

TRIES = 10  # of a crop that lies inside the image, as torchvision has it
# in the order in which they are applied
COLOURS = ('brightness', 'contrast', 'saturation', 'hue')


@TRANSFORMS.register_module()
class AreaCrop(BaseTransform):
    """A crop of random area and aspect of an image and its mask, resized.

    The draws are the seed's, the epoch's and the image's name's, so that
    every process and every run makes the same crop. A crop that does not lie
    inside the image is drawn again, and in the end the largest central one
    is taken, as torchvision's ``RandomResizedCrop`` does.

    Args:
        size (int): Side of the result, pixels.
        area (Sequence[float]): Range of the crop's area, as a share of the
            image's.
        aspect (Sequence[float]): Range of width by height; its logarithm is
            uniform.
        interpolation (str): Of the image, by Pillow; the mask gets the
            nearest pixel.
        seed (int, optional): Of the run, which sets it.
        epoch (int): From 0; `Epochs` sets it.
    """

    def __init__(
        self,
        *,
        size: int,
        area: Sequence[float],
        aspect: Sequence[float],
        interpolation: str,
        seed: int | None = None,
        epoch: int = 0,
    ) -> None:
        self.size, self.area, self.aspect = size, area, aspect
        self.interpolation = interpolation
        self.seed, self.epoch = seed, epoch

    def transform(self, results: dict) -> dict:
        """Crop ``img`` and ``gt_seg_map``."""
        height, width = results['img'].shape[:2]
        rng = generator(self, results)
        x, y, w, h = draw_crop(width, height, self.area, self.aspect, rng)
        for name, interpolation in (
            ('img', self.interpolation),
            ('gt_seg_map', 'nearest'),
        ):
            results[name] = mmcv.imresize(
                results[name][y : y + h, x : x + w],
                (self.size, self.size),
                interpolation=interpolation,
                backend='pillow',
            )
        results['img_shape'] = (self.size, self.size)
        return results


@TRANSFORMS.register_module()
class ColourShift(BaseTransform):
    """Brightness, contrast, saturation and hue, each with a probability.

    The factors are 1 plus or minus at most ``strength``; hue is turned by at
    most that share of a circle. torchvision computes them. The draws are as
    those of `AreaCrop`.

    Args:
        strength (float): Of each.
        prob (float): Of each.
        seed (int, optional): Of the run, which sets it.
        epoch (int): From 0; `Epochs` sets it.
    """

    def __init__(
        self,
        *,
        strength: float,
        prob: float,
        seed: int | None = None,
        epoch: int = 0,
    ) -> None:
        self.strength, self.prob = strength, prob
        self.seed, self.epoch = seed, epoch

    def transform(self, results: dict) -> dict:
        """Change ``img``, (H, W, 3) uint8, BGR."""
        from PIL import Image
        from torchvision.transforms import functional

        rng = generator(self, results)
        image = Image.fromarray(
            cv2.cvtColor(results['img'], cv2.COLOR_BGR2RGB)
        )
        for name in COLOURS:
            used = rng.random() < self.prob
            shift = rng.uniform(-self.strength, self.strength)
            if used:
                change = getattr(functional, f'adjust_{name}')
                image = change(image, shift if name == 'hue' else 1 + shift)
        results['img'] = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
        return results


DRAWN = ('AreaCrop', 'ColourShift')  # the steps with `seed` and `epoch`


def generator(step: Any, results: Mapping[str, Any]) -> np.random.Generator:
    """The generator of a step's draws for an image.

    Args:
        step (AreaCrop | ColourShift): With ``seed`` and ``epoch``.
        results (Mapping): Of the image, with ``img_path``.
    """
    if step.seed is None:
        raise ValueError('the run has set no seed for the views.')
    words = f'{type(step).__name__} {basename(results["img_path"])}'
    return np.random.default_rng(
        [step.seed, step.epoch, zlib.crc32(words.encode())]
    )


def draw_crop(
    width: int,
    height: int,
    area: Sequence[float],
    aspect: Sequence[float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:
    """Left, top, width and height of a crop, pixels.

    Args:
        width, height (int): Of the image.
        area, aspect (Sequence[float]): Ranges, as `AreaCrop` has them.
        rng (np.random.Generator): Draws.
    """
    for _ in range(TRIES):
        pixels = width * height * rng.uniform(area[0], area[1])
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w, h = (
            round(math.sqrt(pixels * ratio)),
            round(math.sqrt(pixels / ratio)),
        )
        if 0 < w <= width and 0 < h <= height:
            x = int(rng.integers(width - w + 1))
            y = int(rng.integers(height - h + 1))
            return x, y, w, h
    w = min(width, round(height * aspect[1]))
    h = min(height, round(width / aspect[0]))
    return (width - w) // 2, (height - h) // 2, w, h


@DATASETS.register_module()
class Epochs(ConcatDataset):
    """A data set several times, each time with other draws of its views.

    Args:
        dataset (dict): Its config.
        epochs (int): How often.
    """

    def __init__(self, dataset: dict, epochs: int) -> None:
        super().__init__(
            [set_draws(dataset, epoch=epoch) for epoch in range(epochs)]
        )


def set_draws(config: Any, **values: int) -> Any:
    """A copy of a config whose views have other draws.

    Args:
        config (Any): A node of a config, with steps of `DRAWN`.
        **values (int): ``seed`` or ``epoch``.
    """

    def change(value: Any) -> Any:
        if isinstance(value, dict):
            value = dict(value)
            if value.get('type') in DRAWN:
                value.update(values)
        return map_nodes(value, change)

    return change(config)
