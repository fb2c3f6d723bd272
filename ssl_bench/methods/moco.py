"""MoCo, with mmpretrain's parts and a step that never waits."""

import torch
import torch.nn.functional as F
from mmpretrain.models import MoCo as MMPretrainMoCo
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.layers import BatchShuffle, info_nce
from ssl_bench.layers.feature_queue import overwrite_oldest
from ssl_bench.layers.momentum import CountedKeys


@MODELS.register_module('PaperMoCo')
class MoCo(CountedKeys, MMPretrainMoCo):
    """Tell an image's other view from the views of earlier images.

    A query is contrasted, by InfoNCE, with the key of the same image and a
    long queue of older keys. The keys are made, on shuffled batches, by a
    moving average of the query's encoder.

    The parts are mmpretrain's. Its own model gathers all images in every
    process and reads the queue's pointer from the device; here each process
    gets the images that it encodes, and nothing waits.

    Reference: Chen, Fan, Girshick, He, "Improved Baselines with Momentum
        Contrastive Learning", arXiv:2003.04297.
    Parity: golden vectors of the released code.
    Deviations: logits are in float32 under mixed precision.

    Its arguments are those of `mmpretrain.models.MoCo`. The loss of ``head``
    is not used, its temperature is.
    """

    def loss(
        self, inputs: list[Tensor], data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Query and key view, (N, 3, H, W) each, to the loss."""
        query = F.normalize(self._query()(inputs[0])[0], dim=1)  # (N, D)
        with torch.no_grad():
            self.encoder_k.update_parameters(self._query())
            shuffle = BatchShuffle(len(inputs[1]), inputs[1].device)
            (images,) = shuffle.shuffle(inputs[1])
            keys = F.normalize(self.encoder_k(images)[0], dim=1)
            keys = shuffle.restore_all(keys)  # (G, D)
        losses, _ = info_nce(
            query, shuffle.own(keys), self.queue.clone(), self.head.temperature
        )
        overwrite_oldest(self.queue, self.queue_ptr, keys)
        return dict(loss=losses.mean())
