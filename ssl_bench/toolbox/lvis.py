"""LVIS: a loss, a sampler and a metric for a thousand uneven classes."""

import logging
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.evaluation import LVISMetric
from mmdet.evaluation.metrics import lvis_metric
from mmdet.registry import METRICS, MODELS
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS, HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import LvisLayout
from ssl_bench.toolbox import instances  # noqa: F401  registers readers
from ssl_bench.toolbox.coco_scores import Unrounded


def federated_classes(
    labels: Tensor, counts: Tensor, num_sampled: int, power: float
) -> Tensor:
    """Classes that a batch's loss is taken over.

    Reference: Zhou et al., arXiv 2103.07461, Sec. 5.1 (federated loss), as
        in Detectron2's ``get_fed_loss_classes``: the labels that occur, the
        background's among them, filled up to `num_sampled` by others drawn
        without replacement, in proportion to counts to the `power`.

    Args:
        labels (Tensor): (R,) int64; K is background.
        counts (Tensor): (K,), training images of each class.
        num_sampled (int): Classes in all.
        power (float): 0 draws evenly.

    Returns:
        Tensor: (K,) bool.
    """
    present = labels.unique()
    chosen = torch.zeros(
        len(counts) + 1, dtype=torch.bool, device=labels.device
    )
    chosen[present] = True
    weights = counts.to(labels.device).double() ** power * ~chosen[:-1]
    missing = min(num_sampled - len(present), int(weights.count_nonzero()))
    if missing > 0:
        chosen[torch.multinomial(weights, missing)] = True
    return chosen[:-1]


@MODELS.register_module()
class FederatedLoss(nn.Module):
    """Sigmoid cross-entropy over some of the classes.

    Reference: as `federated_classes`. The sum over the chosen classes is
        divided by the number of RoIs. mmdet's box head gives K + 1 logits;
        the last one is not used.

    Args:
        num_classes (int): K.
        num_sampled (int): Classes a batch's loss is taken over.
        power (float): Of the image counts by which they are drawn.
        loss_weight (float): Factor.
    """

    # mmdet's box head asks these of a loss that is no softmax
    custom_cls_channels = custom_activation = custom_accuracy = True

    counts: Tensor

    def __init__(
        self,
        num_classes: int,
        num_sampled: int = 50,
        power: float = 0.5,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.num_sampled, self.power = num_sampled, power
        self.loss_weight = loss_weight
        self.register_buffer('counts', torch.zeros(num_classes))

    def get_cls_channels(self, num_classes: int) -> int:
        """Outputs of the classifier."""
        return num_classes + 1

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores (R, K + 1) of logits; the background's is 0."""
        scores = cls_score.sigmoid()
        return F.pad(scores[:, :-1], (0, 1))

    def get_accuracy(
        self, cls_score: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """Share of the objects whose class scores highest, percent."""
        objects = labels < cls_score.shape[1] - 1
        right = cls_score[objects, :-1].argmax(1) == labels[objects]
        return dict(acc_classes=100 * right.sum() / max(len(right), 1))

    def forward(
        self,
        cls_score: Tensor,
        labels: Tensor,
        label_weights: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """The loss of a batch's RoIs.

        Args:
            cls_score (Tensor): Logits, (R, K + 1).
            labels (Tensor): (R,) int64; K is background.
            label_weights (Tensor, optional): (R,), 0 for padding RoIs.
            avg_factor (float, optional): Divisor; R when None.
            reduction_override (str, optional): None or ``mean``.

        Raises:
            RuntimeError: `ClassCountsHook` has not set the counts.
            ValueError: Another reduction.
        """
        if reduction_override not in (None, 'mean'):
            raise ValueError(
                'FederatedLoss knows the reduction mean only, '
                f'got {reduction_override}.'
            )
        if not self.counts.any():
            raise RuntimeError(
                'FederatedLoss draws classes by their image '
                'counts; add ClassCountsHook to custom_hooks.'
            )
        target = F.one_hot(labels, cls_score.shape[1]).to(cls_score)
        loss = F.binary_cross_entropy_with_logits(
            cls_score[:, :-1], target[:, :-1], reduction='none'
        )
        chosen = federated_classes(
            labels, self.counts, self.num_sampled, self.power
        )
        loss = (loss * chosen).sum(1)  # (R,)
        if label_weights is not None:
            loss = loss * label_weights
        return (
            self.loss_weight * loss.sum() / (avg_factor or max(len(labels), 1))
        )


def classes_of_images(dataset) -> list[list[int]]:
    """Labels that occur in each image of a detection set, sorted."""
    return [
        sorted({*dataset.get_cat_ids(index)}) for index in range(len(dataset))
    ]


def image_counts(classes: list[list[int]], num_classes: int) -> Tensor:
    """Images that hold each class, (K,) float32."""
    counts = torch.zeros(num_classes)
    for labels in classes:
        counts[labels] += 1
    return counts


@HOOKS.register_module()
class ClassCountsHook(Hook):
    """Tell `FederatedLoss` how many training images hold each class."""

    def before_train(self, runner: Runner) -> None:
        """Count, and fill the buffer of every such loss."""
        losses = [
            module
            for module in runner.model.modules()
            if isinstance(module, FederatedLoss)
        ]
        classes = classes_of_images(runner.train_dataloader.dataset)
        for loss in losses:
            loss.counts.copy_(image_counts(classes, len(loss.counts)))


@DATA_SAMPLERS.register_module()
class RepeatFactorSampler(InfiniteSampler):
    """An endless stream in which images of rare classes return more often.

    Reference: Gupta et al., CVPR 2019, Sec. 5.2: a class in a share f of
        the images has the factor max(1, sqrt(threshold / f)), an image the
        largest of its classes'. As in Detectron2 the part after the point
        is a probability, drawn again in every pass; mmdet's
        ``ClassBalancedDataset`` rounds it up once.

    Args:
        dataset (Sized): Of mmdet.
        threshold (float): Share of the images below which a class is
            repeated.
        shuffle (bool): Order at random.
        seed (int, optional): Of the stream; the run's when None.
    """

    def __init__(
        self,
        dataset,
        threshold: float = 1e-3,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(dataset, shuffle, seed)
        classes = classes_of_images(dataset)
        counts = image_counts(classes, len(dataset.metainfo['classes']))
        per_class = (threshold * len(classes) / counts).sqrt().clamp(min=1)
        self.factors = torch.tensor(
            [
                max((float(per_class[label]) for label in labels), default=1.0)
                for labels in classes
            ],
            dtype=torch.float64,
        )

    def _infinite_indices(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        while True:
            whole = self.factors.floor()
            more = (
                torch.rand(
                    len(whole), generator=generator, dtype=torch.float64
                )
                < self.factors - whole
            )
            indices = torch.arange(len(whole)).repeat_interleave(
                (whole + more).long()
            )
            if self.shuffle:
                indices = indices[
                    torch.randperm(len(indices), generator=generator)
                ]
            yield from indices.tolist()


@METRICS.register_module()
class LvisMetric(Unrounded, LVISMetric):
    """mmdet's LVIS metric, not rounded, with PyPI's package `lvis`.

    Version 0.5.3 writes ``np.float``, which numpy no longer has.
    """

    module = lvis_metric
    truth = '_lvis_api'
    layout_class = LvisLayout

    def __init__(self, **kwargs) -> None:
        restore_float()
        super().__init__(**kwargs)

    def scorers(self) -> dict[str, type]:
        """The package's one."""
        return dict(LVISEval=self.module.LVISEval)

    def indexed(self, content: dict[str, Any]) -> Any:
        """What the package makes of a file's content."""
        kind = self.module.LVIS
        made = kind.__new__(kind)  # its constructor wants a file
        made.logger = logging.getLogger(kind.__module__)
        made.dataset = content
        made._create_index()
        return made

    def values_of(self, scorer: Any) -> dict[str, float]:
        """What a scorer that has run found, by mmdet's names."""
        return {
            f'{scorer.params.iou_type}_{name}': float(value)
            for name, value in scorer.get_results().items()
        }


def restore_float() -> None:
    """Let ``lvis.eval`` alone find ``np.float``.

    Raises:
        UserError: The package is not installed.
    """
    try:
        from lvis import eval as module
    except ImportError as error:
        raise UserError(
            'LVIS is scored by the package lvis: pip install lvis'
        ) from error
    if not hasattr(module.np, 'float'):
        numpy = types.ModuleType('numpy')
        vars(numpy).update(vars(np), float=float)
        module.np = numpy
