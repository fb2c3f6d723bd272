"""MoCo v3, with mmpretrain's parts and a step that never waits."""

import torch
import torch.nn.functional as F
from mmengine.dist import get_rank
from mmpretrain.models import MoCoV3 as MMPretrainMoCoV3
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.layers import gather
from ssl_bench.layers.momentum import CountedAverage


@MODELS.register_module('PaperMoCoV3')
class MoCoV3(MMPretrainMoCoV3):
    """Tell an image's other view from the rest of the batch.

    MoCo without a queue: large batches, a predictor on the query's side, and a
    moving average for the keys. A ViT's patch embedding is not trained.

    The parts are mmpretrain's; here the host counts the updates.

    Reference: Chen, Xie, He, "An Empirical Study of Training Self-Supervised
        Vision Transformers", ICCV 2021, arXiv:2104.02057.
    Parity: golden vectors of the released code.
    Deviations: mmpretrain copies the running statistics of the query's network
        into the key's, which no loss depends on. The ViT's warm-up starts at a
        ten thousandth of the rate (there at 0).

    Its arguments are those of `mmpretrain.models.MoCoV3`.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        base_momentum: float = 0.01,
        **kwargs,
    ) -> None:
        super().__init__(
            backbone, neck, head, base_momentum=base_momentum, **kwargs
        )
        self.momentum_encoder = CountedAverage(
            nn.Sequential(self.backbone, self.neck), base_momentum, cosine=True
        )

    def contrast(self, query: Tensor, key: Tensor) -> Tensor:
        """Loss of one direction; the other keys are those of all processes.

        Args:
            query (Tensor): Of the online network, (N, D).
            key (Tensor): Of the other view, by the slow one, (N, D).
        """
        head = self.head
        query = F.normalize(head.predictor([query])[0], dim=1)
        keys = gather(F.normalize(key, dim=1))  # (G, D)
        logits = query @ keys.T / head.temperature
        own = torch.arange(len(query), device=query.device)
        return head.loss_module(logits, own + get_rank() * len(query))

    def loss(
        self, inputs: list[Tensor], data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Two views, (N, 3, H, W) each, to the loss of both directions."""
        online = nn.Sequential(self.backbone, self.neck)
        q1, q2 = (online(view)[0] for view in inputs)
        with torch.no_grad():
            self.momentum_encoder.update_parameters(online)
            k1, k2 = (self.momentum_encoder(view)[0] for view in inputs)
        return dict(loss=self.contrast(q1, k2) + self.contrast(q2, k1))
