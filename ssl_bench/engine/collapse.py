"""Watch a pretraining for collapse: all images alike, or few directions."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ssl_bench.engine.distributed import unwrapped
from ssl_bench.layers.collectives import gather

FEW = 16  # images; the rank of fewer says little
Batch = Sequence[dict] | None


def pooled(output: Any) -> Tensor | None:
    """One vector per image from the output of a backbone.

    Of several tensors, it takes those with the most axes, and the last of
    these: the deepest map of a pyramid; tokens and not their masks.

    Args:
        output (Tensor | sequence[Tensor]): Maps (B, C, H, W), tokens
            (B, T, D) or vectors (B, D), perhaps several.

    Returns:
        Tensor: Means over space or tokens, (B, D) float32; None if no
        floating-point tensor has such a shape.
    """
    tensors = [output] if isinstance(output, Tensor) else output
    tensors = [
        t
        for t in tensors
        if isinstance(t, Tensor) and t.is_floating_point() and 2 <= t.ndim <= 4
    ]
    if not tensors:
        return None
    axes = max(t.ndim for t in tensors)
    features = [t for t in tensors if t.ndim == axes][-1].detach().float()
    if axes == 4:
        return features.mean((2, 3))
    return features.mean(1) if axes == 3 else features


def spread(features: Tensor) -> tuple[float, float]:
    """How much, and in how many directions, embeddings differ.

    With ``z = x / |x|``: the standard deviation of each coordinate of z over
    the batch, averaged over the coordinates and multiplied by sqrt(D).
    It is 0 when all images have one embedding and close to 1 when they are
    spread evenly over the sphere (Chen and He, SimSiam, arXiv:2011.10566,
    Sec. 4.1, where the value is compared with 1 / sqrt(D)).

    The effective rank is ``exp(-sum p_i ln p_i)``, ``p_i = s_i / sum s``,
    of the singular values s of z minus its mean (Roy and Vetterli, EUSIPCO
    2007; RankMe, Garrido et al., arXiv:2210.02885, Eq. 1, which does not
    subtract the mean: that removes the direction which features after a ReLU
    share).

    Args:
        features (Tensor): (N, D), N >= 2.

    Returns:
        tuple[float, float]: Standard deviation, and effective rank between
        1 and min(N - 1, D).
    """
    z = nn.functional.normalize(features.cpu().double(), dim=1)
    std = float(z.std(0, correction=0).mean()) * z.shape[1] ** 0.5
    z = z - z.mean(0)
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z
    s = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    if float(s.sum()) == 0:
        return std, 1.0
    p = s / s.sum()
    return std, float(torch.special.entr(p).sum().exp())


@HOOKS.register_module()
class CollapseHook(Hook):
    """Log how much a batch's features differ; warn when they no longer do.

    It reads the output of the first call of ``model.backbone`` in an
    iteration, pooled (`pooled`) and joined over the processes. It draws no
    random number and changes nothing: the run is the same bit for bit
    without it. ``feature_std`` and ``feature_rank`` (`spread`) are in the
    log next to the loss.

    Args:
        interval (int, optional): Iterations between two readings; the last
            iteration of an epoch is always read. The logger's if left out.
        min_std (float): A lower standard deviation, times sqrt(D), gives a
            warning.
        min_rank (float): A lower effective rank of a batch of 16 or more
            gives a warning.
        images (int): How many images of the global batch are read.
    """

    def __init__(
        self,
        interval: int | None = None,
        min_std: float = 0.01,
        min_rank: float = 2.0,
        images: int = 512,
    ) -> None:
        self.interval, self.images = interval, images
        self.min_std, self.min_rank = min_std, min_rank
        self.low = False
        self._features: Tensor | None = None
        self._handle: RemovableHandle | None = None

    def before_train(self, runner: Runner) -> None:
        """Take the logger's interval; warn if there is no backbone."""
        if self.interval is None:
            self.interval = next(
                hook.interval
                for hook in [*runner.hooks, LoggerHook()]
                if isinstance(hook, LoggerHook)
            )
        if self._backbone(runner) is None:
            runner.logger.warning(
                'the model has no `backbone`: collapse is not watched.'
            )

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Batch = None
    ) -> None:
        """Record the backbone's output in the iterations that are read."""
        backbone = self._backbone(runner)
        if backbone is not None and self._due(runner, batch_idx):
            self._handle = backbone.register_forward_hook(self._listen)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Measure, log, and warn below a bound."""
        if self._handle is None:
            return
        self._handle.remove()
        features, self._handle, self._features = self._features, None, None
        if features is None:
            return
        rows = -(-self.images // runner.world_size)
        features = gather(features[:rows])
        if len(features) < 2 or not bool(features.isfinite().all()):
            return  # a loss that is not finite stops the run
        std, rank = spread(features)
        runner.message_hub.update_scalar('train/feature_std', std)
        runner.message_hub.update_scalar('train/feature_rank', rank)
        self.judge(runner, std, rank, len(features))

    def judge(
        self, runner: Runner, std: float, rank: float, images: int
    ) -> None:
        """Warn once, each time that the features fall below a bound."""
        low = std < self.min_std or (rank < self.min_rank and images >= FEW)
        if low and not self.low:
            runner.logger.warning(
                f'the features collapse: at iteration {runner.iter + 1} '
                'their standard deviation times sqrt(D) is '
                f'{std:.4f} (bound {self.min_std:g}), their effective rank '
                f'{rank:.2f} (bound {self.min_rank:g}). Look at the loss and '
                'at `momentum`, the learning rate and the norm layers of the '
                'heads.'
            )
        self.low = low

    def _due(self, runner: Runner, batch_idx: int) -> bool:
        return self.every_n_inner_iters(
            batch_idx, self.interval
        ) or self.end_of_epoch(runner.train_dataloader, batch_idx)

    def _listen(self, module: nn.Module, args: tuple, output: Any) -> None:
        if self._features is None:
            with torch.no_grad():
                self._features = pooled(output)

    @staticmethod
    def _backbone(runner: Runner) -> nn.Module | None:
        return getattr(unwrapped(runner.model), 'backbone', None)
