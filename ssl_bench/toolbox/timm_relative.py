"""BEiT's relative positions for images of any size."""

from functools import lru_cache

import torch
from timm.layers import resize_rel_pos_bias_table
from timm.models.beit import Attention, gen_relative_position_index
from torch import Tensor

Grid = tuple[int, int]


class ResizedAttention(Attention):
    """timm's attention of BEiT, with a table that is resized to the input.

    timm resizes the table when a file is loaded, by BEiT's own rule
    (distances in a geometric progression); here the table keeps its size and
    the same rule is applied in every step, with its gradient.

    Attributes:
        grid (tuple[int, int]): Rows and columns of patches of the input.
    """

    grid: Grid

    def _get_rel_pos_bias(self) -> Tensor:
        """The bias of every head, (1, heads, 1 + H * W, 1 + H * W)."""
        own = tuple(self.window_size)
        if self.grid == own:
            return super()._get_rel_pos_bias()
        table = self.relative_position_bias_table
        resize, index = _resizing(own, self.grid)
        table = resize.to(table) @ table  # (distances, heads)
        tokens = self.grid[0] * self.grid[1] + 1
        bias = table[index.to(table.device).view(-1)]
        return bias.view(1, tokens, tokens, -1).permute(0, 3, 1, 2)


@lru_cache(maxsize=4)
def _resizing(own: Grid, grid: Grid) -> tuple[Tensor, Tensor]:
    """The rule as a matrix, since it is linear, and the index of distances.

    Returns:
        tuple[Tensor, Tensor]: (new distances, old distances), and
        (1 + H * W, 1 + H * W).
    """
    old = (2 * own[0] - 1) * (2 * own[1] - 1) + 3
    new = (2 * grid[0] - 1) * (2 * grid[1] - 1) + 3
    matrix = resize_rel_pos_bias_table(
        torch.eye(old), grid, (new, old), old_window_size=own
    )
    return matrix, gen_relative_position_index(grid)
