"""SwAV's loss with assignments and a queue over all processes."""

import torch
import torch.nn.functional as F
from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmpretrain.models.losses import SwAVLoss
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.layers.collectives import gather, sum_over_ranks
from ssl_bench.layers.feature_queue import check_queue
from ssl_bench.layers.precision import upcast


@torch.no_grad()
def sinkhorn(scores: Tensor, epsilon: float, rounds: int) -> Tensor:
    """Assign samples to prototypes, each prototype about equally often.

    Every round makes the shares of each prototype, then of each sample, sum
    to one; those of a prototype are summed over all processes (App. A.1).

    Args:
        scores (Tensor): Cosines of this process's samples with the
            prototypes, (N, K).
        epsilon (float): Temperature of the scores.
        rounds (int): How often.

    Returns:
        Tensor: Shares of each sample, (N, K); rows sum to one.
    """
    shares = (upcast(scores) / epsilon).exp()
    for _ in range(rounds):
        shares = shares / sum_over_ranks(shares.sum(0))
        shares = shares / shares.sum(1, keepdim=True)
    return shares


@MODELS.register_module()
class GlobalSwAVLoss(SwAVLoss):
    """Swapped prediction with assignments over the batch of all processes.

    Differences from mmpretrain's ``SwAVLoss``: that one sums each prototype's
    shares over its own process, except in a branch that cosines do not reach.
    Its queue is a file of each process, written at other times than the
    checkpoints; here it is a buffer with the samples of all processes, the
    newest batch first, so that a run resumes exactly, on any number of
    processes. Each process assigns its own rows of the queue's batches.

    Args:
        feat_dim (int): Width of the embeddings, D.
        queue_length (int): Samples of each assigning crop in the queue, L,
            over all processes; 0 for none. A multiple of the global batch.
        num_prototypes (int): K.

    Other arguments are those of `mmpretrain.models.SwAVLoss`.
    """

    queue: Tensor
    queue_filled: Tensor

    def __init__(
        self,
        feat_dim: int,
        queue_length: int = 0,
        num_prototypes: int = 3000,
        **kwargs,
    ) -> None:
        super().__init__(feat_dim, num_prototypes=num_prototypes, **kwargs)
        del self.queue, self.use_queue
        self.queue_length = queue_length
        self.queue_on = queue_length > 0  # set by SwAVScheduleHook
        crops = len(self.crops_for_assign)
        self.register_buffer(
            'queue', torch.zeros(crops, queue_length, feat_dim)
        )
        self.register_buffer('queue_filled', torch.zeros(1, dtype=torch.long))
        self._filled = 0  # its value, without asking the device

    def check_batch(self, batch: int) -> None:
        """Refuse a global batch that does not divide the queue.

        Raises:
            UserError: ``queue_length`` is not a multiple of ``batch``.
        """
        if self.queue_length:
            check_queue(
                self.queue_length,
                batch,
                'model.head.loss.queue_length',
                'embeddings',
            )

    def forward(self, x: Tensor) -> Tensor:
        """Loss of this process's samples.

        Args:
            x (Tensor): Unit vectors (crops * N, D), crop after crop, the
                assigning ones first.
        """
        self._normalise_prototypes()
        crops = int(sum(self.num_crops))
        scores = self.prototypes(x)  # (crops * N, K)
        per_crop = upcast(scores).chunk(crops)
        keys = x.detach().chunk(crops)
        use_queue = self.queue_on and self._filled >= self.queue_length
        loss = scores.new_zeros((), dtype=per_crop[0].dtype)
        for i, crop in enumerate(self.crops_for_assign):
            target = self._assign(
                per_crop[crop].detach(), self.queue[i] if use_queue else None
            )
            for other in range(crops):
                if other != crop:
                    logs = F.log_softmax(per_crop[other] / self.temperature, 1)
                    loss = loss - (target * logs).sum(1).mean()
        if self.queue_on:
            self._enqueue([keys[crop] for crop in self.crops_for_assign])
        return loss / (len(self.crops_for_assign) * (crops - 1))

    @torch.no_grad()
    def _normalise_prototypes(self) -> None:
        weight = self.prototypes.weight
        weight.copy_(F.normalize(weight, dim=1))

    @torch.no_grad()
    def _assign(self, scores: Tensor, queue: Tensor | None) -> Tensor:
        """Shares of the N samples of a crop, (N, K), by all samples."""
        rows = len(scores)
        if queue is not None:
            # (batches, world, N, D): this process's rows of each batch
            own = queue.unflatten(0, (-1, get_world_size(), rows))
            own = own[:, get_rank()].flatten(0, 1)
            old = own @ self.prototypes.weight.T
            scores = torch.cat([old.to(scores.dtype), scores])
        shares = sinkhorn(scores, self.epsilon, self.sinkhorn_iterations)
        return shares[-rows:]

    @torch.no_grad()
    def _enqueue(self, keys: list[Tensor]) -> None:
        """Put the embeddings (N, D) of each crop in front."""
        for queue, key in zip(self.queue, keys, strict=True):
            new = gather(key).to(queue.dtype)  # (G, D)
            queue.copy_(torch.cat([new, queue[: -len(new)]]))
        self.queue_filled.add_(len(new))
        self._filled += len(new)

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._filled = int(self.queue_filled)


@HOOKS.register_module()
class SwAVScheduleHook(Hook):
    """When the prototypes start to learn, and when the queue starts to fill.

    Reference: the released program's ``freeze_prototypes_niters`` and
        ``epoch_queue_starts``.

    Args:
        frozen_steps (int): Steps in which the prototypes do not change.
        queue_from_epoch (int): Epoch, counted from 0.
    """

    priority = 'VERY_HIGH'

    def __init__(
        self, frozen_steps: int = 0, queue_from_epoch: int = 0
    ) -> None:
        self.frozen_steps = frozen_steps
        self.queue_from_epoch = queue_from_epoch

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None
    ) -> None:
        """Set both for this step."""
        for module in runner.model.modules():
            if isinstance(module, GlobalSwAVLoss):
                module.prototypes.requires_grad_(
                    runner.iter >= self.frozen_steps
                )
                module.queue_on = (
                    module.queue_length > 0
                    and runner.epoch >= self.queue_from_epoch
                )
