"""Position tables of another image size."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.checkpoints.architectures import ViT, describe, recognise
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.errors import UserError


def grid_of(table: Tensor, cls_token: bool) -> int:
    """Patches on a side of a table of shape (1, N, D).

    Raises:
        ValueError: The patches form no square.
    """
    patches = table.shape[1] - cls_token
    side: int = round(patches**0.5)
    if side * side != patches:
        raise ValueError(
            f'a position table of {patches} patches has no square grid'
        )
    return side


def resize(table: Tensor, grid: int, cls_token: bool) -> Tensor:
    """Resize a position table bicubically; the class token's row stays.

    Args:
        table (Tensor): (1, cls_token + S * S, D), rows in reading order.
        grid (int): Patches on a side of the result, G.
        cls_token (bool): Whether the first row is the class token's.

    Returns:
        Tensor: (1, cls_token + G * G, D), of the same type. Sizes follow
        SiameseIM's and MAE's fine-tuning: ``align_corners=False``, no
        antialiasing.
    """
    side = grid_of(table, cls_token)
    if side == grid:
        return table
    patches = table[:, int(cls_token) :].float()  # (1, S*S, D)
    image = patches.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    image = F.interpolate(
        image, size=(grid, grid), mode='bicubic', align_corners=False
    )  # (1, D, G, G)
    patches = image.flatten(2).transpose(1, 2).to(table.dtype)
    return torch.cat((table[:, : int(cls_token)], patches), dim=1)


def is_sincos(table: Tensor, cls_token: bool) -> bool:
    """Whether a table is the fixed one of sines and cosines.

    In any order of rows, columns and frequencies: the squares of a patch's
    code add to half its width, to a tenth of that after resizing.

    Args:
        table (Tensor): (1, cls_token + S * S, D).
        cls_token (bool): Whether the first row is the class token's.
    """
    squares = table[:, int(cls_token) :].float().square().mean(-1)  # (1, S*S)
    return bool(((squares - 0.5).abs() < 0.05).all())


def resize_backbone(
    backbone: Backbone, image_size: int
) -> tuple[Backbone, str]:
    """A ViT for images of another size.

    Args:
        backbone (Backbone): A ViT with an absolute position table.
        image_size (int): Side of the images, pixels.

    Returns:
        tuple[Backbone, str]: The resized copy, and what was done.

    Raises:
        UserError: Not such a ViT, or not a whole number of patches.
    """
    arch = recognise(backbone.state)
    if not isinstance(arch, ViT) or arch.grid is None:
        raise UserError(
            f'{backbone.arch} has no position table to resize: '
            'leave --image-size away'
        )
    if image_size % arch.patch or image_size <= 0:
        raise UserError(
            f'--image-size {image_size}: expected a multiple of '
            f'the patch size {arch.patch}'
        )
    grid = image_size // arch.patch
    old = replace(arch, heads=backbone.meta['arch_args']['heads'])
    new = replace(old, grid=grid)
    done = (
        f'position table resized bicubically from {arch.grid}x'
        f'{arch.grid} to {grid}x{grid} patches'
    )
    state = dict(
        backbone.state,
        pos_embed=resize(backbone.state['pos_embed'], grid, arch.cls_token),
    )
    meta = dict(
        backbone.meta,
        arch=new.name,
        arch_args=describe(new),
        sources=dict(backbone.meta['sources'], arch_args=done),
    )
    return Backbone(state, backbone.neck, backbone.roi_head, meta), done
