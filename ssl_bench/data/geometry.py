"""Where the pixels of a view came from: one record for every method.

All coordinates are continuous pixels with the origin at the top left corner
of the top left pixel, so the centre of pixel ``(column, row)`` is at
``(column + 0.5, row + 0.5)`` and a box ``xyxy`` has an exclusive right and
bottom edge. PixPro's grid coordinates, SiameseIM's relative positions and
InsLoc's boxes are all derived from this record.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ViewGeometry:
    """A crop of a source image, resized into a view, with or without a mirror.

    Args:
        crop (tuple): Rectangle ``xyxy`` cut out, in pixels of the source.
        size (tuple): Height and width of the view in pixels.
        flip (bool): Whether the view was mirrored left to right, last.
        placed (tuple, optional): Rectangle ``xyxy`` of the view which the
            crop filled before the mirror; the whole view when None.
    """

    crop: Box
    size: tuple[int, int]
    flip: bool = False
    placed: Box | None = None

    @property
    def target(self) -> Box:
        """``placed``, or the whole view, in pixels before the mirror."""
        return self.placed or (
            0.0,
            0.0,
            float(self.size[1]),
            float(self.size[0]),
        )

    def to_view(self, points: Tensor) -> Tensor:
        """Map source points ``(..., 2)`` as x, y to points of the view."""
        cx1, cy1, cx2, cy2 = self.crop
        px1, py1, px2, py2 = self.target
        x = px1 + (points[..., 0] - cx1) * (px2 - px1) / (cx2 - cx1)
        y = py1 + (points[..., 1] - cy1) * (py2 - py1) / (cy2 - cy1)
        return torch.stack([self.size[1] - x if self.flip else x, y], -1)

    def to_source(self, points: Tensor) -> Tensor:
        """Map view points ``(..., 2)`` as x, y to points of the source."""
        cx1, cy1, cx2, cy2 = self.crop
        px1, py1, px2, py2 = self.target
        x, y = points[..., 0], points[..., 1]
        x = self.size[1] - x if self.flip else x
        return torch.stack(
            [
                cx1 + (x - px1) * (cx2 - cx1) / (px2 - px1),
                cy1 + (y - py1) * (cy2 - cy1) / (py2 - py1),
            ],
            -1,
        )

    @property
    def box_in_view(self) -> Tensor:
        """Rectangle ``xyxy`` of the crop's pixels in the view, (4,)."""
        x1, y1, x2, y2 = self.target
        if self.flip:
            x1, x2 = self.size[1] - x2, self.size[1] - x1
        return torch.tensor([x1, y1, x2, y2], dtype=torch.float32)
