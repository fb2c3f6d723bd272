"""InsLoc's views: crops of one image pasted onto two others, with boxes.

The steps are functions of plain numbers and arrays. Where the order of random
draws matters, their source is an argument; numpy's global generator is the
default. Sizes are height before width, positions row before column, boxes
``xyxy`` in pixels with exclusive right and bottom edges.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.photometric import Recipe, Step, build_photometric
from ssl_bench.data.views import Size, finished, geometry_fields, summarise
from ssl_bench.errors import UserError
from ssl_bench.methods.insloc.anchors import anchor_grid, augment_box

TRIES = 10


class Crop(NamedTuple):
    """A rectangle of the foreground, and how it was found."""

    row: int
    column: int
    height: int
    width: int
    tries: int
    fallback: bool


def _uniform() -> float:
    return np.random.random_sample()


def _integer(high: int) -> int:
    return np.random.randint(high + 1)


def draw_crop(
    height: int,
    width: int,
    area: tuple[float, float] = (0.2, 1.0),
    ratio: tuple[float, float] = (0.5, 2.0),
    uniform: Callable[[], float] = _uniform,
    integer: Callable[[int], int] = _integer,
) -> Crop:
    """Draw a random rectangle of an image of ``height`` x ``width`` pixels.

    Args:
        height (int): Rows of the image.
        width (int): Columns of the image.
        area (tuple): Bounds of the rectangle's share of the image.
        ratio (tuple): Bounds of its width / height, log-uniform.
        uniform (callable): Draws from [0, 1).
        integer (callable): ``integer(high)`` draws from 0 .. high, both
            included.

    Returns:
        Crop: After ten tries that do not fit, the central rectangle whose
        ratio is within the bounds.
    """
    logs = [math.log(bound) for bound in ratio]
    for tries in range(1, TRIES + 1):
        pixels = height * width * (area[0] + (area[1] - area[0]) * uniform())
        rho = math.exp(logs[0] + (logs[1] - logs[0]) * uniform())
        w = round(math.sqrt(pixels * rho))
        h = round(math.sqrt(pixels / rho))
        if 0 < w <= width and 0 < h <= height:
            row = integer(height - h)
            return Crop(row, integer(width - w), h, w, tries, False)
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return Crop((height - h) // 2, (width - w) // 2, h, w, TRIES, True)


def fitted_size(height: int, width: int, draws: tuple[int, int]) -> Size:
    """Scale a crop so that it just fits an unordered pair of bounds.

    The larger draw bounds the longer side and the smaller one the shorter,
    in either orientation; the aspect ratio stays.

    Returns:
        tuple[int, int]: Height and width in pixels.
    """
    scale = min(
        max(draws) / max(height, width), min(draws) / min(height, width)
    )
    return math.floor(height * scale + 0.5), math.floor(width * scale + 0.5)


def position_bounds(canvas: Size, size: Size) -> Size:
    """Exclusive upper bounds of a patch's row and column on the canvas.

    The last position that would fit is not used, as in the released code, so
    the last row and column of the canvas are never covered.
    """
    return canvas[0] - size[0], canvas[1] - size[1]


def composite(
    foreground: np.ndarray,
    background: np.ndarray,
    canvas: Size,
    crop: Sequence[int],
    size: Size,
    position: Size,
) -> np.ndarray:
    """Paste a crop, resized, onto the whole background, squashed.

    Args:
        foreground (ndarray): uint8, (R, C, 3).
        background (ndarray): uint8, (R', C', 3).
        canvas (tuple): Height and width of the result.
        crop (sequence[int]): Row, column, height, width in the foreground.
        size (tuple): Height and width of the pasted patch.
        position (tuple): Row and column of its corner.

    Returns:
        ndarray: uint8, (*canvas, 3). Both are resized by OpenCV's bilinear
        interpolation, without antialiasing.
    """
    row, column, height, width = crop[:4]
    patch = foreground[row : row + height, column : column + width]
    image = cv2.resize(background, canvas[::-1])
    top, left = position
    image[top : top + size[0], left : left + size[1]] = cv2.resize(
        patch, size[::-1]
    )
    return image


def paste_box(size: Size, position: Size) -> tuple[int, int, int, int]:
    """The rectangle ``xyxy`` that a patch covers."""
    (height, width), (row, column) = size, position
    return column, row, column + width, row + height


@TRANSFORMS.register_module()
class InsLocViews(BaseTransform):
    """Compose the query and the key view of one foreground image.

    Reads ``img``, the foreground, and ``backgrounds``, two images, all uint8
    RGB (H, W, 3). Writes ``img``, two uint8 tensors (3, *canvas); ``boxes``
    (2, 4), the exact boxes; ``augmented_box`` (4,), an anchor that overlaps
    the query's box; and the fields of `geometry_fields`.

    Colours change after pasting, so both parts of a view change in the same
    way. The mirror and the colours can come in either order: every change
    treats left and right alike.

    Args:
        canvas (tuple): Height and width of a view in pixels.
        size_range (tuple): The two bounds of a pasted patch are drawn from
            ``size_range[0]`` .. ``size_range[1] - 1`` pixels.
        area (tuple): Bounds of a crop's share of the foreground.
        ratio (tuple): Bounds of a crop's width / height.
        flip (float): Probability of the mirror.
        photometric (sequence): Steps for `build_photometric`.
        anchor_stride (int): Pixels between anchors, and their unit.
        anchor_scales (sequence[float]): Multiples of ``anchor_stride``.
        anchor_ratios (sequence[float]): Height / width of the anchors.
        iou (float): An anchor overlaps a box when its IoU exceeds this.
        nms (float): Anchors with a larger mutual IoU suppress each other.
        fallback (int): Best anchors to take when none overlaps.
        painted (bool): As `MakeViews`.

    Raises:
        UserError: Patches that do not fit the canvas, or a canvas that the
            stride does not divide.
    """

    def __init__(
        self,
        canvas: Size = (256, 256),
        size_range: tuple[int, int] = (128, 255),
        area: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (0.5, 2.0),
        flip: float = 0.5,
        photometric: Sequence[Step] = (),
        anchor_stride: int = 16,
        anchor_scales: Sequence[float] = (2, 4, 8, 16),
        anchor_ratios: Sequence[float] = (0.5, 0.75, 1, 1.5, 2),
        iou: float = 0.5,
        nms: float = 0.7,
        fallback: int = 4000,
        painted: bool = True,
    ) -> None:
        low, high = size_range
        if not 0 < low < high <= min(canvas):
            raise UserError(
                f'InsLocViews: size_range {(low, high)} must be two rising '
                f'numbers of pixels up to the canvas {tuple(canvas)}.'
            )
        if canvas[0] % anchor_stride or canvas[1] % anchor_stride:
            raise UserError(
                f'InsLocViews: canvas {tuple(canvas)} is not a multiple of '
                f'anchor_stride {anchor_stride}.'
            )
        self.canvas: Size = (canvas[0], canvas[1])
        self.size_range = (low, high)
        self.area, self.ratio, self.flip = area, ratio, flip
        self.recipes: list[Recipe] = [build_photometric(photometric)] * 2
        self.painted = painted
        self.anchors = anchor_grid(
            (canvas[0] // anchor_stride, canvas[1] // anchor_stride),
            anchor_stride,
            anchor_scales,
            anchor_ratios,
        )
        self.iou, self.nms, self.fallback = iou, nms, fallback

    def view_sizes(self) -> list[Size]:
        """Height and width of the query and the key view."""
        return [self.canvas] * 2

    def view_summary(self) -> str:
        """Number, size and crop areas of the views, in a line."""
        return summarise([(self.canvas, self.area)] * 2)

    def transform(self, results: dict) -> dict:
        """Replace the foreground by the two composed views."""
        foreground, backgrounds = results['img'], results['backgrounds']
        if len(backgrounds) != 2:
            raise UserError(
                'InsLocViews needs two backgrounds with each image, got '
                f'{len(backgrounds)}. Set `backgrounds=2` in the dataset.'
            )
        height, width = foreground.shape[:2]
        crops = [
            draw_crop(height, width, self.area, self.ratio)
            for _ in backgrounds
        ]
        draws = [np.random.randint(*self.size_range, 2) for _ in crops]
        sizes = [
            fitted_size(crop.height, crop.width, (first, second))
            for crop, (first, second) in zip(crops, draws)
        ]
        places = [self._place(size) for size in sizes]
        images, geometries = zip(
            *(
                self._view(
                    composite(
                        foreground, background, self.canvas, crop, size, place
                    ),
                    crop,
                    size,
                    place,
                )
                for background, crop, size, place in zip(
                    backgrounds, crops, sizes, places
                )
            )
        )
        boxes = torch.stack([geometry.box_in_view for geometry in geometries])
        results.update(
            finished(images, geometries, self.recipes, self.painted),
            boxes=boxes,
            augmented_box=torch.from_numpy(
                augment_box(
                    boxes[0].numpy(),
                    self.anchors,
                    self.iou,
                    self.nms,
                    self.fallback,
                )
            ),
            **geometry_fields(geometries, (height, width)),
        )
        return results

    def _place(self, size: Size) -> Size:
        """Draw the row and the column of a patch on the canvas."""
        rows, columns = position_bounds(self.canvas, size)
        return np.random.randint(rows), np.random.randint(columns)

    def _view(
        self, image: np.ndarray, crop: Crop, size: Size, place: Size
    ) -> tuple[np.ndarray, ViewGeometry]:
        """A composed image before its mirror, and its geometry."""
        flip = bool(np.random.random_sample() < self.flip)
        return image, ViewGeometry(
            crop=(
                crop.column,
                crop.row,
                crop.column + crop.width,
                crop.row + crop.height,
            ),
            size=self.canvas,
            flip=flip,
            placed=paste_box(size, place),
        )
