"""Attention in windows for the plain blocks of timm's ViT."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Grid = tuple[int, int]


def takes_windows(net: nn.Module) -> bool:
    """Whether every block sees tokens only, without positions of its own."""
    from timm.layers import Attention, PatchEmbed
    from timm.models.vision_transformer import VisionTransformer

    return (
        isinstance(net, VisionTransformer)
        and type(net.patch_embed) is PatchEmbed
        and all(
            type(getattr(block, 'attn', None)) is Attention
            for block in net.blocks
        )
    )


def attend_in_windows(net: nn.Module, side: int, whole: Sequence[int]) -> None:
    """Let the blocks of a ViT attend in windows, but for some.

    Reference: Li et al., ECCV 2022, Sec. 3, for the windows, padded with
        zeros at the bottom and on the right, and the blocks that see the
        whole map. Class and register tokens, which ViTDet has not, attend
        in every window; what they get there is averaged.

    Args:
        net (nn.Module): timm's, for which `takes_windows` holds; changed in
            place. Its tensors and their names stay.
        side (int): Of a window, patches.
        whole (Sequence[int]): Blocks that attend to all patches.
    """
    kind = _window_attention()
    blocks: list[Any] = list(net.get_submodule('blocks').children())
    for index, block in enumerate(blocks):
        if index not in whole:
            block.attn.__class__ = kind
            block.attn.window = side

    def remember(patches: Any, inputs: Any, tokens: Tensor) -> None:
        """Tell the attention the rows and columns of the map."""
        rows, columns = (
            size // patch
            for size, patch in zip(inputs[0].shape[2:], patches.patch_size)
        )
        for block in blocks:
            block.attn.grid = rows, columns

    net.get_submodule('patch_embed').register_forward_hook(remember)


def _window_attention() -> type:
    """Made here: timm is slow to import."""
    from timm.layers import Attention

    class WindowAttention(Attention):
        """timm's attention, in windows of a map.

        Attributes:
            window (int): Side of a window, patches.
            grid (tuple[int, int]): Rows and columns of the map.
        """

        window: int
        grid: Grid

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            """Tokens (B, P + H * W, D), to the same shape."""
            windows, count = split(x, self.grid, self.window)
            windows = super().forward(windows, *args, **kwargs)
            return join(windows, count, self.grid, self.window)

    return WindowAttention


def split(x: Tensor, grid: Grid, side: int) -> tuple[Tensor, int]:
    """Cut a map into windows, each with its own tokens of no patch.

    Args:
        x (Tensor): (B, P + H * W, D); the first P tokens are of no patch.
        grid (tuple[int, int]): H and W.
        side (int): Of a window, S. The last ones are padded with zeros.

    Returns:
        tuple[Tensor, int]: (B * N, P + S * S, D), and N, windows per image.
    """
    height, width = grid
    first = x.shape[1] - height * width
    prefix, patches = x[:, :first], x[:, first:]
    patches = patches.unflatten(1, grid)
    patches = F.pad(patches, (0, 0, 0, -width % side, 0, -height % side))
    rows, columns = (size // side for size in patches.shape[1:3])
    patches = patches.unflatten(1, (rows, side)).unflatten(3, (columns, side))
    # (B, rows, side, columns, side, D)
    patches = patches.movedim(3, 2).flatten(3, 4).flatten(0, 2)
    prefix = prefix.repeat_interleave(rows * columns, 0)
    return torch.cat((prefix, patches), 1), rows * columns


def join(x: Tensor, count: int, grid: Grid, side: int) -> Tensor:
    """Put windows together again; tokens of no patch become their means.

    Args:
        x (Tensor): (B * N, P + S * S, D), as `split` returns them.
        count (int): N.
        grid (tuple[int, int]): H and W.
        side (int): S.

    Returns:
        Tensor: (B, P + H * W, D).
    """
    height, width = grid
    first = x.shape[1] - side * side
    rows, columns = -(-height // side), -(-width // side)
    prefix = x[:, :first].unflatten(0, (-1, count)).mean(1)
    patches = x[:, first:].unflatten(1, (side, side))
    patches = patches.unflatten(0, (-1, rows, columns)).movedim(2, 3)
    patches = patches.flatten(1, 2).flatten(2, 3)[:, :height, :width]
    return torch.cat((prefix, patches.flatten(1, 2)), 1)
