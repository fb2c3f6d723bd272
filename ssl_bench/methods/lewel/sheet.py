"""LEWEL: where the alignment maps of a model look."""

from collections.abc import Callable
from pathlib import Path

import torch
from mmpretrain.registry import MODELS
from PIL import Image
from torch import Tensor, nn

from ssl_bench.errors import UserError

HOT = torch.tensor([255.0, 40.0, 0.0])
GAP = 2


def overlay(view: Tensor, weights: Tensor) -> Tensor:
    """Tint a view where a map is high, darken it where it is low.

    A map is nearly flat (its logits lie in -1 .. 1), so it is stretched from
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
    """Draws both views and, beside each, the first map of every head.

    Args:
        backbone, neck (nn.Module): Of a LEWEL, in evaluation mode.
        mean, std (sequence[float]): Of the data preprocessor.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        mean: list[float],
        std: list[float],
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
                [
                    Image.fromarray(cell.permute(1, 2, 0).numpy()).resize(
                        (side, side), Image.NEAREST
                    )
                    for cell in cells
                ]
            )
        step = side + GAP
        tile = Image.new(
            'RGB', (step * len(rows[0]) - GAP, step * len(rows) - GAP), 'white'
        )
        for y, row in enumerate(rows):
            for x, cell in enumerate(row):
                tile.paste(cell, (x * step, y * step))
        return tile


def map_tiles(
    config, checkpoint: str | Path | None = None
) -> Callable[[dict, int], Image.Image]:
    """What draws the samples of a LEWEL config.

    Args:
        config (mmengine.Config): The config.
        checkpoint (str | Path, optional): Of a run of it; without one the
            maps are those of random initialisation.

    Raises:
        UserError: The checkpoint is of another model.
    """
    parts = dict(
        backbone=MODELS.build(config.model.backbone),
        neck=MODELS.build(dict(type='LEWELNeck') | dict(config.model.neck)),
    )
    for name, module in parts.items():
        if checkpoint is None:
            module.init_weights()
        else:
            _load(module, name, checkpoint)
    # the whole model is left alone: its queues can take a gigabyte
    pre = config.model.get('data_preprocessor') or config.data_preprocessor
    return MapTiles(**parts, mean=pre.mean, std=pre.std)


def _load(module: nn.Module, name: str, checkpoint: str | Path) -> None:
    """Fill a part of the model from a training checkpoint, whole."""
    from ssl_bench.checkpoints.formats import unwrap
    from ssl_bench.checkpoints.reading import read_object

    state, _ = unwrap(read_object(checkpoint), checkpoint)
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
            f"{checkpoint} does not fit the config's {name}: {error}"
        ) from error
