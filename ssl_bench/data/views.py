"""Several views of one decoded image, each with a record of its geometry."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from torch import Tensor

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.photometric import Recipe, Step, build_photometric
from ssl_bench.data.photometric.on_image import planes_of
from ssl_bench.errors import unknown_name

Size = tuple[int, int]
Area = tuple[float, float]
MODES = ('bilinear', 'bicubic')


def summarise(views: Iterable[tuple[Size, Area]]) -> str:
    """``2 views of 224 px (area 0.2 to 1)``: what a transform makes.

    Args:
        views (iterable[tuple]): Height and width, and the bounds of the
            crop's share of the image, one entry for each view.
    """
    return ' + '.join(
        f'{count} view{"s" if count > 1 else ""} of '
        f'{height if height == width else f"{height}x{width}"} px '
        f'(area {area[0]:g} to {area[1]:g})'
        for ((height, width), area), count in Counter(
            (tuple(size), tuple(area)) for size, area in views
        ).items()
    )


def draw_crop(
    height: int, width: int, scale: Area, log_ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Draw a rectangle: torchvision's ``RandomResizedCrop``, a tenth its time.

    It has the same draws, and so the same rectangles for the same seed.

    Args:
        height (int): Rows of the image.
        width (int): Columns of the image.
        scale (tuple): Bounds of the area, fraction of the image's.
        log_ratio (tuple): Logarithms of the bounds of width / height.

    Returns:
        tuple[int, int, int, int]: Top, left, height and width.
    """
    number = torch.empty(1)
    for _ in range(10):
        area = height * width * number.uniform_(*scale).item()
        ratio = number.uniform_(*log_ratio).exp_().item()
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            place = torch.empty(1, dtype=torch.int64)
            top = int(place.random_(height - h + 1))
            return top, int(place.random_(width - w + 1)), h, w
    # the largest rectangle in the middle whose ratio is within the bounds
    low, high = (math.exp(bound) for bound in log_ratio)
    w, h = width, height
    if width / height < low:
        h = round(w / low)
    elif width / height > high:
        w = round(h * high)
    return (height - h) // 2, (width - w) // 2, h, w


def resized_crop(
    image: np.ndarray,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Size,
    interpolation: str,
) -> Tensor:
    """Cut a rectangle out of a uint8 image (H, W, 3), and resize it.

    Returns:
        Tensor: uint8, (3, *size), with the channels of a pixel together.
    """
    # a rectangle that is not copied takes torch twice the time; strides of a
    # batch tell it to keep the channels of a pixel together
    crop = np.ascontiguousarray(image[top : top + height, left : left + width])
    return torch.nn.functional.interpolate(
        torch.from_numpy(crop)[None].permute(0, 3, 1, 2),
        size,
        mode=interpolation,
        antialias=True,
    )[0]


def in_planes(pixels: np.ndarray) -> Tensor:
    """A uint8 view (H, W, 3) as (3, H, W): each channel lies together."""
    return torch.from_numpy(planes_of(pixels))


class ViewMaker:
    """Random resized crop and mirror of a view, and its colour changes.

    Resizing is torch's on uint8 with antialiasing, which agrees with PIL's;
    crop boxes are those of torchvision's ``RandomResizedCrop``.

    Args:
        size (int | tuple): Side, or height and width, of the view in pixels.
        scale (tuple): Bounds of the crop's area, fraction of the image's.
        ratio (tuple): Bounds of the crop's width / height, log-uniform.
        interpolation (str): ``'bilinear'`` or ``'bicubic'``.
        flip (float): Probability of the mirror.
        photometric (sequence): Steps for `build_photometric`.
        repeat (int): How many views of this recipe.

    Raises:
        UserError: Unknown interpolation or photometric step.
    """

    def __init__(
        self,
        size: int | Size,
        scale: Area = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: str = 'bilinear',
        flip: float = 0.5,
        photometric: Sequence[Step] = (),
        repeat: int = 1,
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        self.size: Size = (height, width)
        self.scale, self.flip = scale, flip
        low, high = torch.tensor(ratio).log().tolist()
        self.log_ratio = (low, high)
        if interpolation not in MODES:
            raise unknown_name('interpolation', interpolation, MODES)
        self.interpolation = interpolation
        self.photometric = build_photometric(photometric)
        self.repeat = repeat

    def cut(self, image: np.ndarray) -> tuple[np.ndarray, ViewGeometry]:
        """The view before its mirror and its colours, and its geometry.

        Args:
            image (ndarray): uint8, (H, W, 3).

        Returns:
            tuple: uint8 (h, w, 3), and the `ViewGeometry`.
        """
        rows, columns = image.shape[:2]
        top, left, height, width = draw_crop(
            rows, columns, self.scale, self.log_ratio
        )
        view = resized_crop(
            image, top, left, height, width, self.size, self.interpolation
        )
        pixels = view.permute(1, 2, 0).numpy()
        flip = torch.rand(()).item() < self.flip
        geometry = ViewGeometry(
            crop=(left, top, left + width, top + height),
            size=self.size,
            flip=flip,
        )
        return pixels, geometry


def _tensor(numbers: Sequence, dtype: type) -> Tensor:
    """What `torch.tensor` makes, in a third of its time."""
    return torch.from_numpy(np.array(numbers, dtype))


def geometry_fields(
    geometries: Sequence[ViewGeometry], source_size: Sequence[int]
) -> dict:
    """The tensor fields that a method reads from its data samples.

    Returns:
        dict: ``crops`` (V, 4) float32 ``xyxy`` in source pixels, ``flips``
        (V,) bool, ``source_size`` (2,) float32 height and width.
    """
    return dict(
        crops=_tensor([g.crop for g in geometries], np.float32),
        flips=_tensor([g.flip for g in geometries], np.bool_),
        source_size=_tensor(source_size, np.float32),
    )


def finished(
    views: Sequence[np.ndarray],
    geometries: Sequence[ViewGeometry],
    recipes: Sequence[Recipe],
    painted: bool,
) -> dict[str, Any]:
    """Mirror views and change their colours, now or later.

    The same numbers are drawn either way.

    Args:
        views (sequence[ndarray]): uint8, (h, w, 3) each.
        geometries (sequence[ViewGeometry]): They say what is mirrored.
        recipes (sequence[Recipe]): One for each view.
        painted (bool): Do it here. Otherwise it is left to `PaintViews`
            (``painting.py``).

    Returns:
        dict: ``img``, the list of views, (3, h, w) each; if they are not
        painted, they are (h, w, 3), and ``photometric`` is the list of their
        parameters: whether to mirror (0 or 1), then those of the recipe.
    """
    parameters = [recipe.draw() for recipe in recipes]
    if not painted:
        return dict(
            img=[*map(torch.from_numpy, views)],
            photometric=[
                torch.cat([_tensor([geometry.flip], np.float64), numbers])
                for geometry, numbers in zip(geometries, parameters)
            ],
        )
    mirrored = (
        cv2.flip(view, 1) if geometry.flip else view
        for view, geometry in zip(views, geometries)
    )
    painted_views = (
        recipe.on_image(view, numbers)
        for recipe, view, numbers in zip(recipes, mirrored, parameters)
    )
    return dict(img=[*map(in_planes, painted_views)])


@TRANSFORMS.register_module()
class MakeViews(BaseTransform):
    """Make every view of an image from one decode.

    Reads ``img`` (uint8 RGB, (H, W, 3)); writes ``img`` (a list of uint8
    tensors (3, h, w), or as `finished` leaves them) and the fields of
    `geometry_fields`.

    Args:
        views (sequence[dict]): One set of `ViewMaker` arguments each.
        painted (bool): As `finished`; a run sets it (`set_painting`).
    """

    def __init__(self, views: Sequence[dict], painted: bool = True) -> None:
        self.painted = painted
        self.makers = [
            maker
            for view in views
            for maker in [ViewMaker(**view)] * view.get('repeat', 1)
        ]

    @property
    def recipes(self) -> list[Recipe]:
        """The colour changes of each view."""
        return [maker.photometric for maker in self.makers]

    def view_sizes(self) -> list[Size]:
        """Height and width of each view."""
        return [maker.size for maker in self.makers]

    def view_summary(self) -> str:
        """Number, size and crop areas of the views, in a line."""
        return summarise((maker.size, maker.scale) for maker in self.makers)

    def transform(self, results: dict) -> dict:
        """Replace the image by its views."""
        image = results['img']
        views, geometries = zip(*(maker.cut(image) for maker in self.makers))
        results.update(
            finished(views, geometries, self.recipes, self.painted),
            **geometry_fields(geometries, image.shape[:2]),
        )
        return results


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """Return the views and their fields in mmpretrain's form.

    ``data_samples`` is a dict of tensors, not mmpretrain's class: the loader
    stacks its entries like the views, so that a batch has one tensor for each
    field and not one for each image and field. These would all be sent
    through the worker's queue, and copied to the device, one after the other.

    Args:
        fields (sequence[str]): Keys of the results that become entries of
            ``data_samples``, as tensors.
    """

    leaves_pixels = True  # so colours can change afterwards

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        self.fields = tuple(fields or ('crops', 'flips', 'source_size'))

    def transform(self, results: dict) -> dict:
        """Results to ``inputs`` and ``data_samples``.

        ``inputs`` is the list of views, or the only one, as mmpretrain's MAE
        takes it.

        The parameters of views that are not painted yet are packed, too, as
        ``photometric``.
        """
        fields = {name: torch.as_tensor(results[name]) for name in self.fields}
        views = results['img']
        packed = dict(
            inputs=views if len(views) > 1 else views[0],
            data_samples=dict(**fields, img_path=results['img_path']),
        )
        if 'photometric' in results:
            packed['photometric'] = results['photometric']
        return packed
