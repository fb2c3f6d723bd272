"""Block-wise masks of a patch grid, with an exact number of masked patches.

Reference: Bao et al., BEiT, arXiv:2106.08254, Algorithm 1, in the form that
SiameseIM (arXiv:2206.01204) uses.
"""

import math
import random

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.registry import TRANSFORMS

Block = tuple[int, int, int, int]


def patch_grid(size: int, patch_size: int) -> int:
    """Patches per side of a view.

    Args:
        size (int): Side of the view in pixels.
        patch_size (int): Side of a patch in pixels.

    Raises:
        ValueError: ``patch_size`` does not divide ``size``.
    """
    if size % patch_size:
        raise ValueError(
            f'patches of {patch_size} pixels do not divide '
            f'a view of {size} pixels.'
        )
    return size // patch_size


class BlockMask:
    """Draw masks: blocks until full, single patches for what is left.

    Args:
        grid (int): Patches per side.
        masked (int): Patches masked in every mask.
        min_area (int): Smallest area drawn for a block, in patches.
        min_aspect (float): Smallest height / width; the largest is its
            inverse. Log-uniform.
        tries (int): Attempts to place one block.

    Raises:
        ValueError: ``masked`` is none of the patches or all of them.
    """

    def __init__(
        self,
        grid: int,
        masked: int,
        min_area: int = 16,
        min_aspect: float = 0.3,
        tries: int = 10,
    ) -> None:
        if not 0 < masked < grid**2:
            raise ValueError(
                f'a {grid} x {grid} grid has {grid**2} patches; between 1 '
                f'and {grid**2 - 1} of them can be masked, got {masked}.'
            )
        self.grid, self.masked, self.tries = grid, masked, tries
        self.min_area = min_area
        self.log_aspect = (math.log(min_aspect), -math.log(min_aspect))

    def _block(self, room: int) -> Block | None:
        """Draw top, left, height, width; None when it does not fit.

        The draws come in the order area, aspect, top, left.
        """
        area = random.uniform(self.min_area, room)
        aspect = math.exp(random.uniform(*self.log_aspect))
        height = int(round(math.sqrt(area * aspect)))
        width = int(round(math.sqrt(area / aspect)))
        if height >= self.grid or width >= self.grid:
            return None
        top = random.randint(0, self.grid - height)
        left = random.randint(0, self.grid - width)
        return top, left, height, width

    def _add_block(self, mask: np.ndarray, room: int) -> bool:
        """Mask one block that brings 1 to ``room`` new patches."""
        for _ in range(self.tries):
            block = self._block(room)
            if block is None:
                continue
            top, left, height, width = block
            window = mask[top : top + height, left : left + width]
            if 0 < window.size - np.count_nonzero(window) <= room:
                window[:] = True
                return True
        return False

    def __call__(self) -> np.ndarray:
        """Draw a mask, (grid, grid) bool, True where masked."""
        mask = np.zeros((self.grid, self.grid), dtype=bool)
        room = self.masked
        while room > 0 and self._add_block(mask, room):
            room = self.masked - int(mask.sum())
        if room > 0:
            visible = np.flatnonzero(~mask).tolist()
            random.shuffle(visible)
            mask.flat[visible[:room]] = True
        return mask


@TRANSFORMS.register_module()
class AddBlockMask(BaseTransform):
    """Write a `BlockMask` of view 1 into ``mask``, (grid, grid) bool.

    Args:
        size (int): Side of the view in pixels.
        patch_size (int): Side of a patch in pixels.
        ratio (float): Share of the patches masked, rounded to a number.

    Raises:
        ValueError: ``patch_size`` does not divide ``size``.
    """

    leaves_pixels = True  # so colours can change afterwards

    def __init__(
        self, size: int, patch_size: int, ratio: float = 118 / 196
    ) -> None:
        grid = patch_grid(size, patch_size)
        self.draw = BlockMask(grid, round(ratio * grid**2))

    def transform(self, results: dict) -> dict:
        """Add the mask."""
        results['mask'] = torch.from_numpy(self.draw())
        return results
