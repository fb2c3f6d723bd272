"""Many heads on the features of one frozen backbone."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.heads import AttentivePool
from ssl_bench.toolbox.frozen_maps import MapRule

POOLS = ('cls', 'mean', 'cls_mean', 'patches')
STARTS = ('normal', 'truncated')
REDUCTIONS = ('sum', 'mean')
EXAMPLES = ('cls_1', 'mean_1', 'cls_mean_1', 'cls_mean_4', 'patches_1')
PLACE = 'model.head.sources'


class FeatureSource(NamedTuple):
    """What a head takes of the maps; its name is ``<pool>_<blocks>``.

    Attributes:
        pool (str): ``cls``: the class tokens of the last ``blocks`` maps;
            ``mean``: the mean of each of these; ``cls_mean``: the class
            tokens, and the mean of the last map; ``patches``: the last map
            itself, for an attentive head.
        blocks (int): How many maps.
    """

    pool: str
    blocks: int

    @property
    def name(self) -> str:
        """As a config writes it."""
        return f'{self.pool}_{self.blocks}'

    def width(self, widths: Sequence[int]) -> int:
        """Numbers of a feature.

        Args:
            widths (Sequence[int]): Of the maps.
        """
        joined = sum(widths[-self.blocks :])
        return joined + widths[-1] * (self.pool == 'cls_mean')

    def take(self, maps: Sequence[Tensor], tokens: Sequence[Tensor]) -> Tensor:
        """The feature (B, D), of ``patches`` (B, N, D), float32.

        Args:
            maps (Sequence[Tensor]): (B, D_i, h_i, w_i).
            tokens (Sequence[Tensor]): (B, D_i); empty without class tokens.
        """
        if self.pool == 'patches':
            return maps[-1].flatten(2).transpose(1, 2).float()
        means = [layer.float().mean(dim=(2, 3)) for layer in maps]
        if self.pool == 'mean':
            return torch.cat(means[-self.blocks :], dim=1)
        parts = [token.float() for token in tokens[-self.blocks :]]
        return torch.cat(parts + means[-1:] * (self.pool == 'cls_mean'), dim=1)


def read_sources(
    names: Any, rule: MapRule, maps: int, has_token: bool
) -> list[FeatureSource]:
    """The sources of a config.

    Of a network without class tokens the means of the maps take their place,
    each once.

    Args:
        names (Sequence[str]): `EXAMPLES`.
        rule (MapRule): Of the protocol.
        maps (int): That it takes.
        has_token (bool): Whether the network has class tokens.

    Raises:
        UserError: An unknown source, more maps than there are, or class
            tokens that the rule leaves out.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise UserError(
            f'{PLACE} must be a list of names, such as '
            f'[{",".join(EXAMPLES)}], not {names!r}.'
        )
    found = []
    for name in names:
        source = _read(name)
        if source.blocks > maps:
            raise UserError(
                f'{PLACE}: {name} takes {source.blocks} maps, and model.maps '
                f'gives {maps}. Write {source.pool}_{maps}, or '
                'model.maps.layers=last_four (stages=[1,2,3,4] of a network '
                'that has stages).'
            )
        if source.pool.startswith('cls'):
            if not rule.class_token:
                raise UserError(
                    f'{PLACE}: {name} takes the class token, and '
                    'model.maps.class_token is False. Write '
                    f'mean_{source.blocks}, or class_token=True.'
                )
            if not has_token:
                source = FeatureSource('mean', source.blocks)
        if source not in found:
            found.append(source)
    return found


def _read(name: Any) -> FeatureSource:
    pools = '|'.join(sorted(POOLS, key=len, reverse=True))
    match = re.fullmatch(rf'({pools})_([1-9])', str(name))
    if match is None:
        raise unknown_name(f'source in {PLACE}', str(name), EXAMPLES)
    source = FeatureSource(match[1], int(match[2]))
    if source.pool == 'patches' and source.blocks > 1:
        raise UserError(
            f'{PLACE}: {name}: an attentive head takes the last map alone; '
            'write patches_1.'
        )
    return source


class HeadKey(NamedTuple):
    """A head: its source's name, its rate and its weight decay."""

    source: str
    rate: float
    decay: float


class ProbeHeads(nn.Module):
    """Heads for every source, rate and weight decay; no weight is shared.

    Reference: DINOv2, ``eval/linear.py`` (linear heads, loss summed over
        them); CAPI, ``eval_classification.py`` (linear and attentive heads,
        loss averaged, so that the gradient of each is divided by their
        number).

    Args:
        sources (Sequence[FeatureSource]): In the order of the heads.
        widths (Sequence[int]): Of the maps.
        num_classes (int): K.
        rates (Sequence[float]): Factors of the optimizer's rate.
        decays (Sequence[float]): Weight decays; biases have none.
        start (str): Of the linear layers' weights: ``normal``, deviation
            0.01; ``truncated``: at two deviations of 0.02. Biases are 0.
        reduction (str): Of the losses of the heads: ``sum`` or ``mean``.

    Raises:
        UserError: An unknown name, or rates and decays that are no numbers.

    Attributes:
        keys (list[HeadKey]): Of each head.
    """

    def __init__(
        self,
        sources: Sequence[FeatureSource],
        widths: Sequence[int],
        *,
        num_classes: int,
        rates: Sequence[float],
        decays: Sequence[float],
        start: str,
        reduction: str,
    ) -> None:
        super().__init__()
        for place, known, name in (
            ('start', STARTS, start),
            ('reduction', REDUCTIONS, reduction),
        ):
            if name not in known:
                raise unknown_name(f'model.head.{place}', str(name), known)
        _check_numbers('rates', rates, lowest=1e-30)
        _check_numbers('decays', decays, lowest=0)
        self.num_classes, self.reduction = num_classes, reduction
        self.sources = list(sources)
        self.keys = [
            HeadKey(source.name, rate, decay)
            for source in sources
            for rate in rates
            for decay in decays
        ]
        self.heads = nn.ModuleList(
            _head(source, widths, num_classes, start)
            for source in sources
            for _ in range(len(rates) * len(decays))
        )

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Features by the names of their sources to logits (H, B, K)."""
        return torch.stack(
            [
                head(features[key.source])
                for key, head in zip(self.keys, self.heads)
            ]
        )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy, ().

        A head that has diverged counts as 0, so that the others go on.

        Args:
            logits (Tensor): (H, B, K).
            labels (Tensor): (B,).
        """
        losses = torch.stack([F.cross_entropy(x, labels) for x in logits])
        losses = torch.where(losses.isfinite(), losses, 0)  # (H,)
        return losses.sum() if self.reduction == 'sum' else losses.mean()

    def groups(self, rate: float) -> list[dict[str, Any]]:
        """Parameters for an optimizer, those of equal settings together.

        Args:
            rate (float): That the heads' rates are factors of.
        """
        found: dict[tuple[float, float], list[nn.Parameter]] = {}
        for key, head in zip(self.keys, self.heads):
            for name, value in head.named_parameters():
                decay = 0.0 if 'bias' in name else key.decay
                found.setdefault((key.rate * rate, decay), []).append(value)
        return [
            dict(params=values, lr=lr, weight_decay=decay)
            for (lr, decay), values in found.items()
        ]


def _check_numbers(name: str, values: Any, lowest: float) -> None:
    if (
        not isinstance(values, (list, tuple))
        or not values
        or not all(type(v) in (int, float) and v >= lowest for v in values)
    ):
        least = 'above 0' if lowest else 'of 0 or more'
        raise UserError(
            f'model.head.{name} must be a list of numbers {least}, such as '
            f'[1e-3,1e-2], not {values!r}.'
        )


def _head(
    source: FeatureSource, widths: Sequence[int], classes: int, start: str
) -> nn.Module:
    width = source.width(widths)
    if source.pool == 'patches':
        return AttentivePool(width, classes)
    layer = nn.Linear(width, classes)
    if start == 'normal':
        nn.init.normal_(layer.weight, std=0.01)
    else:
        nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
