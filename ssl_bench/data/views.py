"""Several views of one decoded image, each with a record of its geometry."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.photometric import Recipe, Step, build_photometric
from ssl_bench.errors import unknown_name

Size = tuple[int, int]
Area = tuple[float, float]


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


class ViewMaker:
    """Random resized crop and mirror of a view, and its colour changes.

    Resizing is torchvision's on uint8 with antialiasing, which agrees with
    PIL's; crop boxes are drawn by torchvision's ``RandomResizedCrop``.

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
        self.scale, self.ratio, self.flip = scale, ratio, flip
        modes = {mode.value: mode for mode in InterpolationMode}
        if interpolation not in modes:
            raise unknown_name('interpolation', interpolation, modes)
        self.interpolation = modes[interpolation]
        self.photometric = build_photometric(photometric)
        self.repeat = repeat

    def __call__(self, image: Tensor) -> tuple[Tensor, ViewGeometry]:
        """A uint8 image (3, H, W) to an unpainted view and its geometry."""
        # imports torch's compiler, which takes half a second
        from torchvision.transforms.v2 import functional as F

        top, left, height, width = RandomResizedCrop.get_params(
            image, list(self.scale), list(self.ratio)
        )
        view = F.resized_crop(
            image,
            top,
            left,
            height,
            width,
            list(self.size),
            self.interpolation,
            True,
        )
        flip = bool(torch.rand(()) < self.flip)
        if flip:
            view = F.horizontal_flip(view)
        geometry = ViewGeometry(
            crop=(left, top, left + width, top + height),
            size=self.size,
            flip=flip,
        )
        return view, geometry


def geometry_fields(
    geometries: Sequence[ViewGeometry], source_size: Sequence[int]
) -> dict:
    """The tensor fields that a method reads from its data samples.

    Returns:
        dict: ``crops`` (V, 4) float32 ``xyxy`` in source pixels, ``flips``
        (V,) bool, ``source_size`` (2,) float32 height and width.
    """
    return dict(
        crops=torch.tensor([g.crop for g in geometries], dtype=torch.float32),
        flips=torch.tensor([g.flip for g in geometries]),
        source_size=torch.tensor(source_size, dtype=torch.float32),
    )


def finished(
    views: Sequence[Tensor], recipes: Sequence[Recipe], painted: bool
) -> dict[str, Any]:
    """Draw the colour changes of views, and make them now or later.

    The same numbers are drawn either way.

    Args:
        views (sequence[Tensor]): uint8, (3, h, w) each.
        recipes (sequence[Recipe]): One for each view.
        painted (bool): Make the changes here. Otherwise they are left to
            `PaintViews` (``painting.py``).

    Returns:
        dict: ``img``, the list of views; if they are not painted,
        ``photometric``, the list of their parameters.
    """
    parameters = [recipe.draw() for recipe in recipes]
    if not painted:
        return dict(
            img=[view.contiguous() for view in views], photometric=parameters
        )
    images = (
        recipe.on_image(view, numbers)
        for recipe, view, numbers in zip(recipes, views, parameters)
    )
    return dict(img=[image.contiguous() for image in images])


@TRANSFORMS.register_module()
class MakeViews(BaseTransform):
    """Make every view of an image from one decode.

    Reads ``img`` (uint8 RGB, (H, W, 3)); writes ``img`` (a list of uint8
    tensors (3, h, w)) and the fields of `geometry_fields`.

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
        image = torch.from_numpy(results['img']).permute(2, 0, 1)
        views, geometries = zip(*(maker(image) for maker in self.makers))
        results.update(
            finished(views, self.recipes, self.painted),
            **geometry_fields(geometries, image.shape[1:]),
        )
        return results


@TRANSFORMS.register_module()
class PackViews(BaseTransform):
    """Return the views and their fields in mmpretrain's form.

    Args:
        fields (sequence[str]): Keys of the results that become fields of the
            data sample, as tensors.
    """

    leaves_pixels = True  # so colours can change afterwards

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        self.fields = tuple(fields or ('crops', 'flips', 'source_size'))

    def transform(self, results: dict) -> dict:
        """Results to ``inputs`` (list of views) and ``data_samples``.

        The parameters of views that are not painted yet are packed, too, as
        ``photometric``.
        """
        sample = DataSample()
        for field in self.fields:
            sample.set_field(torch.as_tensor(results[field]), field)
        sample.set_metainfo(dict(img_path=results['img_path']))
        packed = dict(inputs=results['img'], data_samples=sample)
        if 'photometric' in results:
            packed['photometric'] = results['photometric']
        return packed
