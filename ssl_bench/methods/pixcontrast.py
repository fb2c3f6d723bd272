"""PixContrast: tell a place from all other places of the other crop."""

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.errors import unknown_name
from ssl_bench.layers.collectives import mean_over_processes
from ssl_bench.layers.precision import unit, upcast
from ssl_bench.methods.pixpro.model import PixPro
from ssl_bench.methods.pixpro.pixel_grid import pixel_distances

AVERAGES = ('valid', 'all')


def contrast_terms(
    q: Tensor,
    k: Tensor,
    coords_q: Tensor,
    coords_k: Tensor,
    temperature: float = 0.3,
    threshold: float = 0.7,
) -> tuple[Tensor, Tensor]:
    """Contrast of each position with the other view's, averaged per image.

    ``l(i) = -log(sum over positives of e / sum over all of e)`` with
    ``e = exp(cos / temperature)`` (Eq. 1 and 2), averaged over the positions
    of q that have a positive.

    Args:
        q, k (Tensor): Unit vectors of query and key, (N, C, H, W) each.
        coords_q, coords_k (Tensor): Of `crop_coordinates`, (N, 4) each.
        temperature (float): Divisor of the cosines.
        threshold (float): Largest distance of a positive, exclusive.

    Returns:
        tuple[Tensor, Tensor]: Mean l(i) of each image, (N,), 0 where no
        position has a positive; the number of positions with one, (N,).
    """
    size = (q.shape[2], q.shape[3])
    distance = pixel_distances(coords_q, coords_k, size)
    positive = distance < threshold  # (N, n, n)
    inside = positive.any(2)  # (N, n)
    logits = upcast(q.flatten(2).transpose(1, 2) @ k.flatten(2)) / temperature
    # a row without positives takes all: its term is 0 and so its gradient
    kept = logits.masked_fill(~(positive | ~inside.unsqueeze(2)), -torch.inf)
    terms = logits.logsumexp(2) - kept.logsumexp(2)  # (N, n)
    count = inside.sum(1)
    return (terms * inside).sum(1) / count.clamp(min=1), count


def contrast_loss(
    q: Tensor,
    k: Tensor,
    coords_q: Tensor,
    coords_k: Tensor,
    temperature: float = 0.3,
    threshold: float = 0.7,
    average: str = 'valid',
) -> Tensor:
    """Mean of `contrast_terms` over the images (one direction).

    Args:
        q, k, coords_q, coords_k, temperature, threshold: As there.
        average (str): Divide by the images with a positive (``'valid'``),
            counted over all processes, or by the batch (``'all'``).

    Returns:
        Tensor: Scalar, whose mean over the processes is the loss of the
        joined batch.
    """
    terms, count = contrast_terms(
        q, k, coords_q, coords_k, temperature, threshold
    )
    if average == 'all':
        return terms.mean()
    valid = mean_over_processes((count > 0).sum().to(terms.dtype))
    return terms.sum() / torch.where(valid > 0, valid, 1.0)


@MODELS.register_module()
class PixContrast(PixPro):
    """Find, among all positions of another crop, those of the same place.

    Each position of one view's feature map is contrasted, by InfoNCE, with
    every position of the other view, encoded by a moving average; the
    positions that show the same place of the image are its positives.

    Reference: Xie, Lin, Zhang, Cao, Lin, Hu, CVPR 2021, arXiv:2011.10043,
        Sec. 3.1.
    Published: no number that could be read at its source.
    Parity: a reading of the paper; vectors of its formulas.
    Deviations: the released code has no PixContrast, so this is a reading of
        the paper: the positions averaged over are those with a positive, the
        two directions are averaged, and images whose views do not overlap
        are left out of the mean. Views, heads, momentum branch and optimiser
        are PixPro's.

    Args:
        temperature (float): Divisor of the cosines.
        average (str): ``'valid'`` or ``'all'``, see `contrast_loss`.
        **kwargs (Any): Of `PixPro`; there is no propagation and no instance
            branch.

    Raises:
        UserError: An unknown average.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        temperature: float = 0.3,
        average: str = 'valid',
        **kwargs,
    ) -> None:
        super().__init__(
            backbone, neck, propagation=None, instance_weight=0.0, **kwargs
        )
        if average not in AVERAGES:
            raise unknown_name('average', average, AVERAGES)
        self.temperature, self.average = temperature, average

    def direction(
        self, q: Tensor, k: Tensor, coords_q: Tensor, coords_k: Tensor
    ) -> Tensor:
        """Half the loss of one view's online map in the other's target map."""
        return (
            contrast_loss(
                unit(q),
                unit(k),
                coords_q,
                coords_k,
                self.temperature,
                self.threshold,
                self.average,
            )
            / 2
        )
