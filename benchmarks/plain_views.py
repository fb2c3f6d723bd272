"""The views of five methods as their authors' programs make them.

Pillow decodes, and torchvision's transforms change Pillow's images one after
the other. What every program does with the pixels afterwards (floats, mean and
deviation) is left out: a view ends as a uint8 tensor, as this project's do.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms as T

Way = Callable[[Sequence[Path], int], dict[str, Any]]


def decoded(path: Path) -> Image.Image:
    """An image as torchvision's `pil_loader` reads it."""
    with path.open('rb') as file:
        return Image.open(file).convert('RGB')


class Blur:
    """Gaussian blur of a random deviation, 0.1 to 2 pixels."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2)))


def solarize(image: Image.Image) -> Image.Image:
    """Invert what is at or above 128."""
    return ImageOps.solarize(image)


def colours(
    saturation: float, blur: float, solarise: float = 0.0
) -> list[Callable]:
    """Jitter, grey, blur and solarisation, with their probabilities."""
    jitter = T.ColorJitter(0.4, 0.4, saturation, 0.1)
    steps = [
        T.RandomApply([jitter], 0.8),
        T.RandomGrayscale(0.2),
        T.RandomApply([Blur()], blur),
    ]
    if solarise:
        steps.append(T.RandomApply([solarize], solarise))
    return steps


def crop(area: float, interpolation: T.InterpolationMode) -> Callable:
    """A random crop of 224 pixels."""
    return T.RandomResizedCrop(
        224, scale=(area, 1.0), interpolation=interpolation
    )


BILINEAR, BICUBIC = T.InterpolationMode.BILINEAR, T.InterpolationMode.BICUBIC


def mocov2() -> Way:
    """MoCo v2: one recipe, twice; the mirror comes last."""
    recipe = T.Compose(
        [
            crop(0.2, BILINEAR),
            *colours(0.4, 0.5),
            T.RandomHorizontalFlip(),
            T.PILToTensor(),
        ]
    )

    def make(paths: Sequence[Path], index: int) -> dict:
        image = decoded(paths[index])
        return dict(inputs=[recipe(image), recipe(image)])

    return make


def byol_recipes(interpolation: T.InterpolationMode) -> list[Callable]:
    """BYOL's two recipes: the second is rarely blurred, and solarised."""
    return [
        T.Compose(
            [
                crop(0.08, interpolation),
                T.RandomHorizontalFlip(),
                *colours(0.2, *probabilities),
                T.PILToTensor(),
            ]
        )
        for probabilities in ((1.0, 0.0), (0.1, 0.2))
    ]


def barlow_twins() -> Way:
    """Barlow Twins: BYOL's recipes."""
    recipes = byol_recipes(BICUBIC)

    def make(paths: Sequence[Path], index: int) -> dict:
        image = decoded(paths[index])
        return dict(inputs=[recipe(image) for recipe in recipes])

    return make


def siamese_im() -> Way:
    """SiameseIM: BYOL's recipes, the crops' rectangles, and a mask."""
    from ssl_bench.methods.siamese_im.block_mask import BlockMask

    recipes, mask = byol_recipes(BICUBIC), BlockMask(14, 118)

    def make(paths: Sequence[Path], index: int) -> dict:
        image = decoded(paths[index])
        views, where = zip(*(with_crop(recipe, image) for recipe in recipes))
        return dict(inputs=list(views), crops=torch.stack(where), mask=mask())

    return make


def pixpro() -> Way:
    """PixPro: BYOL's recipes in bilinear crops, and their rectangles."""
    recipes = byol_recipes(BILINEAR)

    def make(paths: Sequence[Path], index: int) -> dict:
        image = decoded(paths[index])
        views, where = zip(*(with_crop(recipe, image) for recipe in recipes))
        return dict(inputs=list(views), crops=torch.stack(where))

    return make


def with_crop(recipe: T.Compose, image: Image.Image) -> tuple[Tensor, Tensor]:
    """A view, and the rectangle and the mirror that made it."""
    first, _, *rest = recipe.transforms
    top, left, height, width = first.get_params(
        image, first.scale, first.ratio
    )
    view = T.functional.resized_crop(
        image, top, left, height, width, first.size, first.interpolation
    )
    flip = random.random() < 0.5
    view = T.functional.hflip(view) if flip else view
    for step in rest:
        view = step(view)
    return view, torch.tensor([left, top, width, height, flip])


def insloc() -> Way:
    """InsLoc: two crops pasted by OpenCV, then MoCo v2's colours."""
    import cv2

    from ssl_bench.methods.insloc import views as steps
    from ssl_bench.methods.insloc.anchors import anchor_grid, augment_box

    cv2.setNumThreads(0)
    recipe = T.Compose(colours(0.4, 0.5))
    anchors = anchor_grid((16, 16), 16, (2, 4, 8, 16), (0.5, 0.75, 1, 1.5, 2))
    canvas = (256, 256)

    def view(front: np.ndarray, back: np.ndarray) -> tuple[Tensor, list]:
        part = steps.draw_crop(*front.shape[:2])
        first, second = np.random.randint(128, 255, 2)
        size = steps.fitted_size(part.height, part.width, (first, second))
        rows, columns = steps.position_bounds(canvas, size)
        place = np.random.randint(rows), np.random.randint(columns)
        image = steps.composite(front, back, canvas, part, size, place)
        image = recipe(Image.fromarray(image))
        box = list(steps.paste_box(size, place))
        if random.random() < 0.5:
            image = T.functional.hflip(image)
            box[0], box[2] = canvas[1] - box[2], canvas[1] - box[0]
        return T.functional.pil_to_tensor(image), box

    def make(paths: Sequence[Path], index: int) -> dict:
        chosen = [index, *np.random.randint(len(paths), size=2)]
        front, *backs = (np.asarray(decoded(paths[i])) for i in chosen)
        views, boxes = zip(*(view(front, back) for back in backs))
        exact = np.array(boxes, np.float32)
        near = augment_box(exact[0], anchors, 0.5, 0.7, 4000)
        return dict(inputs=list(views), boxes=exact, augmented_box=near)

    return make


def mocov2_mmpretrain() -> Way:
    """MoCo v2 as mmpretrain's recipe makes it, its reader included."""
    from mmengine.hub import get_config
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import TRANSFORMS

    from ssl_bench import register_all_modules

    register_all_modules()
    name = 'mmpretrain::mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py'
    pipeline = get_config(name).train_dataloader.dataset.pipeline
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        built = [TRANSFORMS.build(step) for step in pipeline]

    def make(paths: Sequence[Path], index: int) -> dict:
        item = dict(img_path=str(paths[index]))
        for step in built:
            item = step(item)
        return item

    return make


class PlainImages(Dataset):
    """A folder's images through one of the ways above.

    Args:
        folder (Path): With JPEG files.
        make (callable): What one of the ways returns.
    """

    def __init__(self, folder: Path, make: Way) -> None:
        self.paths, self.make = sorted(folder.glob('*.jpg')), make

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict:
        return self.make(self.paths, index)
