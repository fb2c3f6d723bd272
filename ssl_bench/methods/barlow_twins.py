"""Barlow Twins: make the correlation of two views' features the identity."""

import torch
from mmpretrain.models import BarlowTwins as MMPretrainBarlowTwins
from mmpretrain.models.heads import LatentCrossCorrelationHead
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.layers.collectives import sum_over_ranks
from ssl_bench.layers.global_bn import GlobalBatchNorm
from ssl_bench.layers.precision import upcast


def cross_correlation(
    z1: Tensor, z2: Tensor, count: int | None = None
) -> Tensor:
    """Correlate normalised features of two views over all processes.

    Args:
        z1 (Tensor): Features of view 1 on this process, (N, D), each column
            of zero mean and unit variance over the global batch.
        z2 (Tensor): The same of view 2.
        count (int, optional): Samples to divide by; those of all processes
            together when None.

    Returns:
        Tensor: (D, D); entry (i, j) is of feature i of view 1 and feature j
        of view 2.
    """
    products = sum_over_ranks(z1.T @ z2)
    if count is not None:
        return products / count
    return products / sum_over_ranks(z1.new_full((), len(z1)))


def redundancy_terms(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Invariance and redundancy (Eq. 1), the second without its weight.

    Args:
        correlation (Tensor): (D, D).

    Returns:
        tuple[Tensor, Tensor]: ``sum_i (C_ii - 1)^2`` and
        ``sum_{i != j} C_ij^2``.
    """
    diagonal = correlation.diagonal()
    off_diagonal = correlation - torch.diag_embed(diagonal)
    return (diagonal - 1).square().sum(), off_diagonal.square().sum()


@MODELS.register_module()
class CrossCorrelationHead(LatentCrossCorrelationHead):
    """mmpretrain's head with a final norm over the whole global batch.

    Args:
        in_channels (int): Width of the embedding, D.
        lambd (float): Weight of the redundancy term.
    """

    def __init__(self, in_channels: int, lambd: float = 0.0051) -> None:
        super().__init__(
            in_channels, loss=dict(type='CrossCorrelationLoss', lambd=lambd)
        )
        self.lambd = lambd
        self.bn = GlobalBatchNorm(in_channels, affine=False)

    def loss(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Embeddings (N, D) of both views, not yet normalised, to the loss.

        Raises:
            ValueError: A batch of one, which has no variance.
        """
        if len(z1) < 2:
            raise ValueError(
                'Barlow Twins needs at least 2 images per '
                f'process, got {len(z1)}.'
            )
        with torch.autocast(z1.device.type, enabled=False):
            on, off = redundancy_terms(
                cross_correlation(*(self.bn(upcast(z)) for z in (z1, z2)))
            )
        return on + self.lambd * off


@MODELS.register_module('PaperBarlowTwins')
class BarlowTwins(MMPretrainBarlowTwins):
    """Two views' embeddings agree while their columns stay uncorrelated.

    There are no negatives, no momentum encoder and no stop-gradient; the
    embedding is wide instead. The model is mmpretrain's; the head differs.

    Reference: Zbontar et al., Barlow Twins: Self-Supervised Learning via
        Redundancy Reduction, ICML 2021, arXiv:2103.03230, Eq. 1 and 2.
    Published: ResNet-50, 1000 epochs of ImageNet-1k, linear top-1 73.2
        (73.5 with the released code).
    Parity: golden vectors of the released code.
    Deviations: the final norm is synchronised as in the released code
        (mmpretrain's is per process). The gradient is the true one of the
        global batch for any number of processes; the released code's is
        that over the number of processes, to which it adds a decay of 1e-6.
        So that a run takes the steps of the released ones on 16 processes,
        the configs multiply the decay by 16 (1.6e-5), which LARS scales
        together with the gradient, and divide the rate of biases and norm
        layers by 16. The correlation is taken in float32 under mixed
        precision (half precision there). The last, incomplete batch of an
        epoch is left out (625 steps); there it is taken (626), and its
        correlation is divided by the full batch, which shrinks it to 0.57.
        The paper's text has other numbers than its code: decay 1.5e-6
        (1e-6), lambda 5e-3 (0.0051).

    Its arguments are those of `mmpretrain.models.BarlowTwins`, with a
    `CrossCorrelationHead`.

    Raises:
        ValueError: The head expects another width than the neck gives.
    """

    def __init__(
        self, backbone: dict, neck: dict, head: dict, **kwargs
    ) -> None:
        if neck['out_channels'] != head['in_channels']:
            raise ValueError(
                f'the neck gives {neck["out_channels"]} channels, the head '
                f'expects {head["in_channels"]}; make them equal.'
            )
        super().__init__(backbone=backbone, neck=neck, head=head, **kwargs)
