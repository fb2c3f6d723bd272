"""BEiT's relative positions for images of any size."""

from contextlib import nullcontext
from functools import lru_cache

import torch
from timm.layers import resize_rel_pos_bias_table
from timm.models.beit import Attention, gen_relative_position_index
from torch import Tensor

Grid = tuple[int, int]
TOKENS = 3  # distances of the class token: from it, to it, to itself


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
        rows, columns, index = (
            part.to(self.relative_position_bias_table.device)
            for part in _resizing(own, self.grid)
        )
        table: Tensor = self.relative_position_bias_table
        heads = table.shape[1]
        patches = table[:-TOKENS].view(2 * own[0] - 1, 2 * own[1] - 1, heads)
        with (
            nullcontext()
            if table.is_meta
            else torch.autocast(table.device.type, enabled=False)
        ):
            patches = torch.einsum(
                'yh,hwn,xw->yxn', rows.to(table), patches, columns.to(table)
            )  # (2 * H - 1, 2 * W - 1, heads)
        table = torch.cat((patches.flatten(0, 1), table[-TOKENS:]))
        tokens = self.grid[0] * self.grid[1] + 1
        bias = table[index.view(-1)]
        return bias.view(1, tokens, tokens, -1).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _resizing(own: Grid, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """timm's rule, which is linear along each axis, and the index.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Weights of old rows in new rows
        (2 * H - 1, old), the same of columns, and the index of distances
        (1 + H * W, 1 + H * W).
    """
    high, wide = 2 * own[0] - 1, 2 * own[1] - 1
    new = (2 * grid[0] - 1, 2 * grid[1] - 1)

    def apply(image: Tensor) -> Tensor:  # (high, wide, N) to (*new, N)
        flat = image.reshape(high * wide, -1)
        flat = torch.cat((flat, flat.new_zeros(TOKENS, flat.shape[1])))
        found: Tensor = resize_rel_pos_bias_table(
            flat,
            grid,
            (new[0] * new[1] + TOKENS, flat.shape[1]),
            old_window_size=own,
        )
        return found[:-TOKENS].view(*new, -1)

    # what is kept serves every later input: real values, for training too
    with torch.device('cpu'), torch.inference_mode(False), torch.no_grad():
        rows = apply(torch.eye(high)[:, None].expand(-1, wide, -1))[:, 0]
        columns = apply(torch.eye(wide)[None].expand(high, -1, -1))[0]
        return rows, columns, gen_relative_position_index(grid)
