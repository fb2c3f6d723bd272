"""Sine-cosine position codes: fixed grids, and one view seen from another.

The codes are those of the released program of SiameseIM (arXiv:2206.01204).
"""

import torch
from torch import Tensor


def sincos_code(x: Tensor, frequencies: int) -> Tensor:
    """All sines, then all cosines, of ``x * 10000^(-k / frequencies)``.

    Args:
        x (Tensor): Positions, any shape.
        frequencies (int): How many, k from 0.

    Returns:
        Tensor: (..., 2 * frequencies), of x's type.
    """
    k = torch.arange(frequencies, dtype=torch.float64, device=x.device)
    omega = (10000.0 ** (-k / frequencies)).to(x.dtype)
    angle = x[..., None] * omega
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def check_width(width: int) -> None:
    """Refuse a width that two axes of sines and cosines cannot fill.

    Raises:
        ValueError: ``width`` is not a multiple of 4.
    """
    if width % 4:
        raise ValueError(
            'a two-dimensional sine-cosine code has 4 equal parts; got width '
            f'{width}, remainder {width % 4} on division by 4.'
        )


def sincos_table(width: int, grid: int) -> Tensor:
    """Code of every token of a square grid, a zero row for cls in front.

    The half that codes the row comes first (in MAE's table, the column's).

    Args:
        width (int): Channels, a multiple of 4.
        grid (int): Tokens per side.

    Returns:
        Tensor: (1 + grid^2, width), float64.
    """
    check_width(width)
    code = sincos_code(torch.arange(grid, dtype=torch.float64), width // 4)
    table = torch.cat(
        [code[:, None].expand(-1, grid, -1), code[None].expand(grid, -1, -1)],
        dim=-1,
    ).flatten(0, 1)  # (g^2, width)
    return torch.cat([table.new_zeros(1, width), table])


def relative_position(
    crops: Tensor, flips: Tensor, source_size: Tensor
) -> Tensor:
    """Where view 2 is in the frame of view 1, mirrored like view 1.

    Args:
        crops (Tensor): (B, 2, 4) ``xyxy`` in pixels of the source.
        flips (Tensor): (B, 2), True where a view was mirrored.
        source_size (Tensor): (B, 2) height and width of the source.

    Returns:
        Tensor: (B, 6) float64: delta_i (crop heights of view 1), delta_j (crop
        widths; valid when the flips agree), delta_h and delta_w (ratios),
        relative_flip (0 or 1), flip_delta_j (crop widths; valid when they
        differ).
    """
    crops, width = crops.double(), source_size[:, 1:].double()  # (B, 1)
    x1, y1, x2, y2 = crops.unbind(-1)  # (B, 2)
    j = torch.where(flips, width - x2, x1)  # left edge in the mirrored image
    h, w = y2 - y1, x2 - x1
    return torch.stack(
        [
            (y1[:, 1] - y1[:, 0]) / h[:, 0],
            (j[:, 1] - j[:, 0]) / w[:, 0],
            h[:, 1] / h[:, 0],
            w[:, 1] / w[:, 0],
            (flips[:, 0] ^ flips[:, 1]).double(),
            (width[:, 0] - j[:, 0] - j[:, 1]) / w[:, 0],
        ],
        dim=1,
    )


def relative_sincos(relative: Tensor, width: int, grid: int) -> Tensor:
    """Code of view 2's tokens in the frame of view 1, in its token units.

    Args:
        relative (Tensor): (B, 6): delta_i, delta_j, delta_h, delta_w,
            relative_flip (0 or 1), flip_delta_j, of `relative_position`.
        width (int): Half the channels of the code, a multiple of 4.
        grid (int): Tokens per side of both views.

    Returns:
        Tensor: (B, grid^2, 2 * width), of relative's type: row, column,
        log height ratio, log width ratio.
    """
    check_width(width)
    di, dj, dh, dw, flip, flip_dj = relative[:, :, None].unbind(1)  # (B, 1)
    centre = (
        torch.arange(grid, dtype=relative.dtype, device=relative.device) + 0.5
    )  # (g,)
    y = dh * centre + grid * di - 0.5  # (B, g)
    x = (
        torch.where(
            flip > 0.5, -dw * centre + grid * flip_dj, dw * centre + grid * dj
        )
        - 0.5
    )  # (B, g)
    quarter = width // 4
    size = (len(relative), grid, grid, -1)
    return torch.cat(
        [
            sincos_code(y, quarter)[:, :, None].expand(size),
            sincos_code(x, quarter)[:, None].expand(size),
            sincos_code(10 * dh.log(), quarter)[:, None].expand(size),
            sincos_code(10 * dw.log(), quarter)[:, None].expand(size),
        ],
        dim=-1,
    ).flatten(1, 2)
