"""DenseCL, with mmpretrain's parts and a step that never waits."""

import torch
import torch.nn.functional as F
from mmpretrain.models import DenseCL as MMPretrainDenseCL
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.layers import BatchShuffle, info_nce
from ssl_bench.layers.feature_queue import overwrite_oldest
from ssl_bench.layers.momentum import CountedKeys


def matched(query: Tensor, key: Tensor, values: Tensor) -> Tensor:
    """For each position, the value of the key position most similar to it.

    Args:
        query (Tensor): Unit columns, (N, C, S).
        key (Tensor): The same of the other view, (N, C, S).
        values (Tensor): One column per key position, (N, D, S).

    Returns:
        Tensor: (N, D, S), by query position.
    """
    nearest = (query.transpose(1, 2) @ key).argmax(2)  # (N, S)
    return values.gather(2, nearest[:, None].expand(-1, values.shape[1], -1))


def _channels_first(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
    return output.contiguous()


@MODELS.register_module('PaperDenseCL')
class DenseCL(CountedKeys, MMPretrainDenseCL):
    """Contrast images as a whole, and each place with its most similar place.

    In addition to MoCo v2's loss, every position of the query's projected map
    is contrasted with the key position whose backbone feature is most similar
    to its own, against a queue of dense keys.

    The parts are mmpretrain's. Its own model gathers all images and maps in
    every process and reads the queues' pointers from the device; here each
    process gets the rows that it uses, and nothing waits.

    Reference: Wang, Zhang, Shen, Kong, Li, "Dense Contrastive Learning for
        Self-Supervised Visual Pre-Training", CVPR 2021, arXiv:2011.09157.
    Parity: golden vectors of the released code.
    Deviations: logits are in float32 under mixed precision.

    Its arguments are those of `mmpretrain.models.DenseCL`. The loss of
    ``head`` is not used, its temperature is.
    """

    def _before_copy(self) -> None:
        # the neck cannot flatten maps that have channels last
        self.neck.mlp2.register_forward_hook(_channels_first)

    @staticmethod
    def _embed(networks: nn.Sequential, images: Tensor) -> list[Tensor]:
        """Unit columns: (N, D), its map (N, D, S), (N, D) of the map's
        mean, and the backbone's map, (N, C, S)."""
        maps = networks[0](images)
        whole, grid, mean = networks[1](maps)
        parts = whole, grid, mean, maps[0].flatten(2)
        return [F.normalize(part, dim=1) for part in parts]

    @torch.no_grad()
    def _keys(self, images: Tensor) -> tuple[BatchShuffle, list[Tensor]]:
        """Both vectors of all processes' keys, and the maps of our own."""
        self.encoder_k.update_parameters(self._query())
        shuffle = BatchShuffle(len(images), images.device)
        (images,) = shuffle.shuffle(images)
        whole, grid, mean, maps = self._embed(self.encoder_k.module, images)
        return shuffle, [
            shuffle.restore_all(whole),
            shuffle.restore(grid),
            shuffle.restore_all(mean),
            shuffle.restore(maps),
        ]

    def loss(
        self, inputs: list[Tensor], data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Query and key view, (N, 3, H, W) each, to the two losses."""
        query, grid, _, maps = self._embed(self._query(), inputs[0])
        shuffle, (key, key_grid, key_mean, key_maps) = self._keys(inputs[1])
        partner = matched(maps.detach(), key_maps, key_grid)
        temperature = self.head.temperature
        single, _ = info_nce(
            query, shuffle.own(key), self.queue.clone(), temperature
        )
        dense, _ = info_nce(
            grid.transpose(1, 2).flatten(0, 1),  # (N S, D)
            partner.transpose(1, 2).flatten(0, 1),
            self.queue2.clone(),
            temperature,
        )
        overwrite_oldest(self.queue, self.queue_ptr, key)
        overwrite_oldest(self.queue2, self.queue2_ptr, key_mean)
        return dict(
            loss_single=single.mean() * (1 - self.loss_lambda),
            loss_dense=dense.mean() * self.loss_lambda,
        )
