"""LEWEL: where the alignment maps of a model look."""

from collections.abc import Mapping, Sequence

import torch
from mmpretrain.registry import MODELS
from PIL import Image
from PIL.Image import Resampling
from torch import Tensor, nn

from ssl_bench.data.contact_sheet import Sheet, in_a_column, in_a_row, picture
from ssl_bench.errors import UserError, one_line
from ssl_bench.methods.lewel.alignment import LEWELNeck

HOT = torch.tensor([255.0, 40.0, 0.0])
RED, DARK = '#ff2800', '#404040'  # in the legend
GAP = 2


def overlay(view: Tensor, weights: Tensor) -> Tensor:
    """Tint a view where a map is high, darken it where it is low.

    A map is nearly flat (its logits are in -1 .. 1), so it is stretched from
    its own least to its own greatest value.

    Args:
        view (Tensor): uint8 (3, H, W).
        weights (Tensor): One map, (h, w).

    Returns:
        Tensor: uint8 (3, H, W).
    """
    low, high = weights.min(), weights.max()
    heat = (weights - low) / (high - low).clamp(min=1e-12)
    heat = nn.functional.interpolate(
        heat[None, None], view.shape[1:], mode='nearest'
    )[0]  # (1, H, W)
    grey = view.float().mean(0, keepdim=True) / 2
    mixed = grey * (1 - heat) + (grey + HOT.view(3, 1, 1)) / 1.5 * heat
    return mixed.clamp(0, 255).to(torch.uint8)


class MapTiles:
    """Draws both views and, next to each, the first map of every head.

    Args:
        backbone (nn.Module): Of a LEWEL.
        neck (LEWELNeck): Of the same.
        mean, std (sequence[float]): Of the data preprocessor.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: LEWELNeck,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        self.backbone, self.neck = backbone, neck
        for module in (backbone, neck):
            module.eval()
        self.mean, self.std = (
            torch.tensor(values).view(3, 1, 1) for values in (mean, std)
        )

    @torch.no_grad()
    def maps(self, view: Tensor) -> Tensor:
        """First map of each head for a view uint8 (3, H, W): (heads, h, w)."""
        image = ((view.float() - self.mean) / self.std).unsqueeze(0)
        maps = self.neck.maps(self.backbone(image)[-1])[0]  # (K, h, w)
        return maps[:: self.neck.num_maps]

    def __call__(self, item: dict, side: int) -> Image.Image:
        """A row for each view, (1 + heads) pictures in it."""
        rows = []
        for view in item['inputs'][:2]:
            cells = [view, *(overlay(view, one) for one in self.maps(view))]
            rows.append(
                in_a_row(
                    [
                        picture(cell, side, Resampling.NEAREST)
                        for cell in cells
                    ],
                    GAP,
                )
            )
        return in_a_column(rows, GAP)


def map_tiles(config, state: Mapping[str, Tensor] | None = None) -> MapTiles:
    """What draws the samples of a LEWEL config.

    Args:
        config (mmengine.Config): The config.
        state (mapping, optional): Tensors of a checkpoint of a run of it;
            without one the maps are those of random initialisation.

    Raises:
        UserError: The checkpoint is of another model.
    """
    parts = dict(
        backbone=MODELS.build(config.model.backbone),
        neck=MODELS.build(dict(type='LEWELNeck') | dict(config.model.neck)),
    )
    for name, module in parts.items():
        if state is None:
            module.init_weights()
        else:
            _load(module, name, state)
    # the whole model is not built: its queues can take a gigabyte
    pre = config.model.get('data_preprocessor') or config.data_preprocessor
    return MapTiles(**parts, mean=pre.mean, std=pre.std)


def map_sheet(config, state: Mapping[str, Tensor] | None = None) -> Sheet:
    """How the samples of a LEWEL config are drawn; see `map_tiles`."""
    tiles = map_tiles(config, state)
    legend = (
        (
            '',
            'Each row: a view, then where the first map of each of the '
            f'{tiles.neck.num_heads} heads looks, '
            + ('as learnt:' if state else 'before training:'),
        ),
        (RED, 'most'),
        (DARK, 'least'),
    )
    return Sheet(tiles, side=112, columns=2, legend=lambda item: legend)


def _load(module: nn.Module, name: str, state: Mapping[str, Tensor]) -> None:
    """Fill a part of the model from a checkpoint's tensors, all of it."""
    try:
        module.load_state_dict(
            {
                key.removeprefix(f'{name}.'): value
                for key, value in state.items()
                if key.startswith(f'{name}.')
            }
        )
    except RuntimeError as error:
        raise UserError(
            f"the checkpoint does not fit the config's {name}: "
            f'{one_line(error)}'
        ) from error
