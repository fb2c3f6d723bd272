"""A frozen backbone as probes take it, and what they take of it."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from torch import Tensor

from ssl_bench.toolbox.frozen_maps import FrozenMaps, MapRule, choose_maps
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_whole

SCOPE = 'mmpretrain'  # whose registries a probe's backbone is of
MAPS = 'probe.maps'  # where a config says which maps are taken


class Frozen(BaseModel):
    """A backbone and the preparation of its input, for extraction.

    mmengine's base class tells the preprocessor which device it is moved to.

    Args:
        backbone (dict): Config of an mmpretrain backbone.
        preprocessor (dict): Mean, std and channel order.
        compute (str): ``bfloat16``: the backbone under autocast, its last
            features pooled in single precision.
        maps (dict, optional): Of a probe of patches: the fields of a
            `MapRule`.

    Attributes:
        cell (int): Of a probe of patches: side of one, pixels.
    """

    def __init__(
        self,
        backbone: dict,
        preprocessor: dict,
        compute: str = 'float32',
        maps: dict | None = None,
    ) -> None:
        from mmpretrain.registry import MODELS

        self.rule = None if maps is None else MapRule.read(maps, MAPS)
        if self.rule is not None:
            backbone, _, self.cell = choose_maps(backbone, self.rule, MAPS)
        # the loaders may be another toolkit's
        with DefaultScope.overwrite_default_scope(SCOPE):
            settings = dict(type='ClsDataPreprocessor', **preprocessor)
            super().__init__(data_preprocessor=MODELS.build(settings))
            self.backbone = MODELS.build(backbone)
        self.taken = backbone
        self.mixed = compute == 'bfloat16'
        self.maps = (
            None if self.rule is None else FrozenMaps(self.backbone, self.rule)
        )

    @torch.no_grad()
    def forward(  # type: ignore[override]
        self, batch: dict, pool: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, list]:
        """A loader's batch to features and its data samples.

        Args:
            batch (dict): Of B images.
            pool (Callable, optional): From the last features to (B, D); None
                of a rule's maps.

        Returns:
            tuple: (B, D), or the joined map of a rule, (B, h, w, D).
        """
        batch = self.data_preprocessor(batch, False)
        images = batch['inputs']
        with (
            torch.autocast(images.device.type, torch.bfloat16)
            if self.mixed
            else nullcontext()
        ):
            if pool is None:
                features = self.patches(images)
            else:
                # (B, C, H, W), or (B, C) of a class token
                features = self.backbone(images)[-1]
        found = features.float() if pool is None else pool(features.float())
        return found, batch['data_samples']

    def patches(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised, to (B, h, w, D)."""
        if self.maps is None:
            raise ValueError('this model takes no maps.')
        return self.maps.joined(images).permute(0, 2, 3, 1)

    @torch.no_grad()
    def count(self, side: int) -> int:
        """Patches of an image of this side, pixels."""
        device = next(self.backbone.parameters()).device
        image = torch.zeros(1, 3, side, side, device=device)
        return self.patches(image).shape[1:3].numel()


def global_average(features: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C)."""
    return features.mean(dim=(2, 3))


def corner_average(features: Tensor) -> Tensor:
    """(B, C, 7, 7) to (B, 4C): 6 x 6 means at stride 1, as VISSL does."""
    return F.avg_pool2d(features, 6, stride=1).flatten(1)


def class_token(features: Tensor) -> Tensor:
    """(B, C), as a ViT with ``out_type='cls_token'`` gives it."""
    return features


POOLS = dict(
    class_token=class_token,
    global_average=global_average,
    corner_average=corner_average,
)


def frozen_model(config: Config) -> Frozen:
    """The network of a probe's config."""
    return Frozen(
        config.backbone,
        dict(config.data_preprocessor),
        config.probe.get('compute', 'float32'),
        config.probe.get('maps'),
    )


def build_frozen(config: Config, source: Source) -> Frozen:
    """The backbone with its weights, in evaluation mode."""
    model = frozen_model(config)
    with DefaultScope.overwrite_default_scope(SCOPE):
        model.backbone.init_weights()
    if source.backbone is not None:
        load_whole(model.backbone, source)
    return model.to(get_device()).eval()
