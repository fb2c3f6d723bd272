"""Errors of depth maps, for each image and then averaged over images."""

import torch
from torch import Tensor

NAMES = (
    'a1',
    'a2',
    'a3',
    'abs_rel',
    'rmse',
    'log_10',
    'rmse_log',
    'silog',
    'sq_rel',
    'mae',
)


def eigen_rectangle(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of NYUv2 that are scored (Eigen et al., 2014).

    45 to 470 and 41 to 600 of 480 x 640; other sizes scale the ends.
    """

    def scaled(value: int, side: int, full: int) -> int:
        return int(value / full * side)

    return (
        slice(scaled(45, height, 480), scaled(471, height, 480)),
        slice(scaled(41, width, 640), scaled(601, width, 640)),
    )


def border_rectangle(height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of NYUv2 without the white border, for training.

    45 to 471 and 43 to 607 of 480 x 640.
    """
    return (
        slice(int(45 / 480 * height), int(472 / 480 * height)),
        slice(int(43 / 640 * width), int(608 / 640 * width)),
    )


def valid_pixels(
    truth: Tensor, lowest: float, highest: float, eigen: bool = True
) -> Tensor:
    """Pixels that are scored: strictly between the limits, in the rectangle.

    Args:
        truth (Tensor): (..., H, W), metres.
        lowest, highest (float): Metres; pixels at them do not count.
        eigen (bool): Only those of `eigen_rectangle`.
    """
    valid = (truth > lowest) & (truth < highest)
    if eigen:
        inside = torch.zeros_like(valid)
        rows, columns = eigen_rectangle(*truth.shape[-2:])
        inside[..., rows, columns] = True
        valid &= inside
    return valid


def depth_scores(
    depth: Tensor, truth: Tensor, valid: Tensor
) -> dict[str, float]:
    """Scores of one image over its valid pixels.

    Args:
        depth, truth (Tensor): (H, W), metres.
        valid (Tensor): (H, W) bool.

    Returns:
        dict[str, float]: `NAMES`: ``a1`` to ``a3`` are shares of pixels
        whose ratio is below 1.25, 1.25^2, 1.25^3 (higher is better);
        ``silog`` is 100 times the deviation of the log error; metres or
        none for the others. NaN where no pixel is valid.
    """
    d, t = depth[valid].double(), truth[valid].double()
    ratio = torch.maximum(t / d, d / t)
    difference = t - d
    log_error = d.log() - t.log()
    values = dict(
        a1=(ratio < 1.25).double().mean(),
        a2=(ratio < 1.25**2).double().mean(),
        a3=(ratio < 1.25**3).double().mean(),
        abs_rel=(difference.abs() / t).mean(),
        rmse=(difference**2).mean().sqrt(),
        log_10=(t.log10() - d.log10()).abs().mean(),
        rmse_log=(log_error**2).mean().sqrt(),
        silog=100
        * ((log_error**2).mean() - log_error.mean() ** 2).clamp_min(0).sqrt(),
        sq_rel=(difference**2 / t).mean(),
        mae=difference.abs().mean(),
    )
    return {name: float(value) for name, value in values.items()}


def mean_scores(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean over images; an image without a valid pixel does not count."""
    found = torch.tensor(
        [[row[name] for name in NAMES] for row in rows], dtype=torch.float64
    )
    return dict(zip(NAMES, found.nanmean(0).tolist()))


def align(depth: Tensor, truth: Tensor, valid: Tensor) -> tuple[float, float]:
    """Scale and shift of a depth map that fit the truth, least squares.

    Args:
        depth, truth (Tensor): (H, W).
        valid (Tensor): (H, W) bool.
    """
    d, t = depth[valid].double(), truth[valid].double()
    columns = torch.stack((d, torch.ones_like(d)), dim=1)
    scale, shift = torch.linalg.lstsq(columns, t[:, None]).solution[:, 0]
    return float(scale), float(shift)
