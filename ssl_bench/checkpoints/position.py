"""Position tables of another image size."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ssl_bench.checkpoints.architectures import ViT, architecture_of, describe
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError

# by which a table takes another size; others define no other size
RULES = ('timm', 'dino', 'transformers')


def grid_of(table: Tensor, cls_token: int) -> int:
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


def resize(
    table: Tensor,
    grid: int | tuple[int, int],
    cls_token: int,
    rule: str = 'transformers',
    old: tuple[int, int] | None = None,
) -> Tensor:
    """Resize a position table bicubically; the first rows stay.

    The programs that pretrain do not agree on how. All use
    ``align_corners=False``, and all give the table back at its own size.

    Args:
        table (Tensor): (1, cls_token + S * S, D), rows in reading order. Its
            gradient passes through.
        grid (int | tuple[int, int]): Patches on a side of the result, or
            rows and columns (H, W).
        cls_token (int): How many first rows are of no patch.
        rule (str): ``transformers`` (to a size, no antialiasing: also
            SiameseIM's and MAE's fine-tuning), ``timm`` (to a size, with
            antialiasing: also DINOv2's with registers) or ``dino`` (by the
            factors (H + 0.1) / S and (W + 0.1) / S, no antialiasing: DINO,
            iBOT, DINOv2 without registers).
        old (tuple[int, int], optional): The table's rows and columns; a
            square when None.

    Returns:
        Tensor: (1, cls_token + H * W, D), of the same type.

    Raises:
        ValueError: The table has no such grid.
        UserError: The rule defines no other size than the table's.
    """
    size = (grid, grid) if isinstance(grid, int) else tuple(grid)
    first = int(cls_token)
    if old is None:
        old = (grid_of(table, first),) * 2
    if old == size:
        return table
    if rule not in RULES:
        raise UserError(
            f'the authors define a position table of {old[0]}x{old[1]} '
            f'patches only; these images have {size[0]}x{size[1]}. Give '
            'images of the size of pretraining.'
        )
    image = table[:, first:].float()  # (1, S*S, D)
    image = image.reshape(1, *old, -1).permute(0, 3, 1, 2)
    if rule == 'dino':
        factors = [(new + 0.1) / now for new, now in zip(size, old)]
        image = F.interpolate(image, scale_factor=factors, mode='bicubic')
    else:
        image = F.interpolate(
            image, size=size, mode='bicubic', antialias=rule == 'timm'
        )  # (1, D, H, W)
    patches = image.flatten(2).transpose(1, 2).to(table.dtype)
    return torch.cat((table[:, :first], patches), dim=1)


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
    arch = architecture_of(backbone)
    if isinstance(arch, TimmNet) and arch.positions != 'none':
        raise UserError(
            f"{backbone.arch} keeps its position table, which its authors' "
            'rule resizes for each image: leave --image-size away'
        )
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
