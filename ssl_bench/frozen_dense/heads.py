"""Heads on frozen maps: linear segmentation, linear depth, attentive."""

from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BIN_RULES = ('linear', 'softmax', 'sigmoid')
BIN_SPACES = ('linear', 'log')
CHANNELS = 64  # of a head of attention


class LinearMap(nn.Module):
    """A 1x1 convolution after dropout of whole channels and batch norm.

    Reference: DINOv2 ``BNHead`` (batch norm, no dropout), DINOv3
        ``LinearHead`` (dropout before batch norm), NeCo (neither).

    Args:
        in_channels (int): D of the map.
        out_channels (int): Classes or depth bins.
        norm (bool): Batch norm before the convolution, eps 1e-5.
        dropout (float): Share of channels dropped in training.
        std (float, optional): Of the normal start of the weight, bias 0;
            None: torch's own start.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: bool = True,
        dropout: float = 0.0,
        std: float | None = 0.01,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.norm = nn.BatchNorm2d(in_channels) if norm else nn.Identity()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        if std is not None:
            nn.init.normal_(self.conv.weight, std=std)
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, D, h, w) to logits (B, out_channels, h, w)."""
        logits: Tensor = self.conv(self.norm(self.dropout(x)))
        return logits


def depth_bins(
    count: int, lowest: float, highest: float, space: str = 'linear'
) -> Tensor:
    """Depths of the bins, metres, (count,) float64.

    Both ends are bins: the edges stand for the centres.
    Source: Bhat et al., CVPR 2021; DINOv2, ``decode_head.py``.

    Args:
        count (int): Bins.
        lowest, highest (float): Metres.
        space (str): ``linear`` or ``log``.
    """
    if space == 'log':
        ends = torch.tensor([lowest, highest], dtype=torch.float64).log()
        return torch.linspace(
            float(ends[0]), float(ends[1]), count, dtype=torch.float64
        ).exp()
    return torch.linspace(lowest, highest, count, dtype=torch.float64)


def depth_of(logits: Tensor, bins: Tensor, rule: str = 'linear') -> Tensor:
    """Weighted mean of the bins.

    Args:
        logits (Tensor): (B, bins, h, w).
        bins (Tensor): (bins,), metres.
        rule (str): ``linear``: relu plus 0.1, divided by the sum;
            ``softmax``; ``sigmoid``: divided by the sum.

    Returns:
        Tensor: (B, 1, h, w), metres. Where no logit is positive,
        ``linear`` gives the mean of the bins, with zero gradient.
    """
    bins = bins.to(logits)
    if rule == 'softmax':
        return torch.einsum('bkhw,k->bhw', logits.softmax(1), bins)[:, None]
    weights = logits.sigmoid() if rule == 'sigmoid' else logits.relu() + 0.1
    total = torch.einsum('bkhw,k->bhw', weights, bins)
    return (total / weights.sum(dim=1))[:, None]


def depth_regression(logits: Tensor, lowest: float) -> Tensor:
    """Depth without bins: relu of the first channel, plus the least."""
    return logits[:, :1].relu() + lowest


def merge_flipped(plain: Tensor, mirrored: Tensor) -> Tensor:
    """Mean of a map and of the map of the mirrored image, flipped back."""
    return (plain + mirrored.flip(-1)) / 2


class AttentivePool(nn.Module):
    """One learnt query attends to all tokens; a linear layer classifies.

    Reference: CAPI, ``eval_classification.py``. The query is used as it is;
        there is no projection after the heads and no norm.

    Args:
        width (int): D of a token. Heads have 64 channels; where 64 does not
            divide D, which the official program refuses, as many as divide
            both: this is our reading.
        classes (int): K.

    Attributes:
        channels (int): Of a head.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.channels = gcd(width, CHANNELS)
        self.heads = width // self.channels
        self.query = nn.Parameter(torch.empty(width))
        self.kv = nn.Linear(width, 2 * width)
        self.linear = nn.Linear(width, classes)
        for weight in (self.query, self.kv.weight, self.linear.weight):
            nn.init.trunc_normal_(weight, std=0.02)
        for bias in (self.kv.bias, self.linear.bias):
            nn.init.zeros_(bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) to logits (B, K)."""
        batch, count, width = tokens.shape
        keys, values = (
            part.reshape(batch, count, self.heads, self.channels)
            for part in self.kv(tokens).split(width, dim=-1)
        )  # (B, N, heads, channels)
        query = self.query.reshape(1, self.heads, 1, self.channels)
        pooled = F.scaled_dot_product_attention(
            query.expand(batch, -1, -1, -1),
            keys.transpose(1, 2),
            values.transpose(1, 2),
        )  # (B, heads, 1, channels)
        logits: Tensor = self.linear(pooled.reshape(batch, width))
        return logits
