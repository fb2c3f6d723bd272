"""MAE: an image, and the patches of it that the encoder gets."""

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ssl_bench.data.contact_sheet import Sheet, in_a_row, picture, views_in

MASKED = '#5a3d9a'  # no colour of photographs


def example_mask(
    grid: int, ratio: float, generator: torch.Generator
) -> Tensor:
    """Which patches are hidden, (grid, grid) bool: as many as in training.

    All sets of that many patches are as likely, as in mmpretrain's
    ``MAEViT.random_masking``.
    """
    count = grid * grid
    kept = int(count * (1 - ratio))
    mask = torch.ones(count, dtype=torch.bool)
    mask[torch.randperm(count, generator=generator)[:kept]] = False
    return mask.view(grid, grid)


def contact_sheet(config) -> Sheet:
    """How the samples of a config of mmpretrain's ``MAE`` are drawn."""
    backbone = config.model.backbone
    patch, ratio = backbone.patch_size, backbone.get('mask_ratio', 0.75)
    generator = torch.Generator().manual_seed(0)
    legend = (
        ('', 'A view of each image, and'),
        (
            MASKED,
            f'the {ratio:.0%} of its patches that the network has to predict '
            '(an example: each step draws others)',
        ),
    )

    def tile(item: dict, side: int) -> Image.Image:
        view = views_in(item)[0]
        grid = view.shape[-1] // patch
        shown, step = picture(view, side), side / grid
        hidden = shown.copy()
        draw = ImageDraw.Draw(hidden)
        mask = example_mask(grid, ratio, generator)
        for row, column in mask.nonzero().tolist():
            x, y = column * step, row * step
            draw.rectangle((x, y, x + step - 1, y + step - 1), fill=MASKED)
        return in_a_row([shown, hidden], 1)

    return Sheet(tile, legend=lambda item: legend)
