"""Mean IoU with every rule of it said."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ssl_bench.errors import unknown_name
from ssl_bench.frozen_dense.maps import nearest
from ssl_bench.frozen_dense.miou import (
    VARIANTS,
    accuracies,
    confusion,
    miou,
    require_pixels,
)


@METRICS.register_module()
class MapIoU(BaseMetric):
    """mIoU of counts that are summed over the test set, percent.

    It reports ``mIoU``, ``mAcc`` (mean over the labels that occur) and
    ``aAcc``.

    Reference: NeCo, ``linear_finetune.py``; the definitions are those of
        `ssl_bench.frozen_dense.miou`.

    Args:
        variant (str): One of `VARIANTS`.
        ignore (Sequence[int]): Labels whose pixels are removed first.
        score_size (Sequence[int]): (h, w) of the predictions, to which
            labels are resized by the nearest pixel.
        most_batches (int): Later batches of the test set do not count.
        batch_images (int): Images of such a batch.
        **more: What else mmengine's metrics take.
    """

    def __init__(
        self,
        *,
        variant: str,
        ignore: Sequence[int],
        score_size: Sequence[int],
        most_batches: int,
        batch_images: int,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        if variant not in VARIANTS:
            raise unknown_name('test_evaluator.variant', variant, VARIANTS)
        self.variant, self.ignore = variant, tuple(ignore)
        self.score_size = tuple(score_size)
        self.most_images = most_batches * batch_images

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: Unused.
            data_samples (Sequence[dict]): With ``pred_sem_seg`` (1, h, w)
                and ``gt_sem_seg`` (1, H, W).

        Raises:
            ValueError: A prediction of another size than ``score_size``.
        """
        classes = len((self.dataset_meta or {})['classes'])
        for sample in data_samples:
            found = sample['pred_sem_seg']['data'][0].cpu()
            if tuple(found.shape) != self.score_size:
                raise ValueError(
                    f'predictions of {tuple(found.shape)} pixels, and '
                    f'test_evaluator.score_size is {self.score_size}'
                )
            labels = sample['gt_sem_seg']['data'][0].cpu().long()
            matrix = confusion(
                nearest(labels, self.score_size), found, classes, self.ignore
            )
            self.results.append(matrix.to_sparse())

    def evaluate(self, size: int) -> dict:
        """mmengine's, of the first images alone.

        Args:
            size (int): Images of the test set.
        """
        found: dict = super().evaluate(min(size, self.most_images))
        return found

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The numbers of all images, in the order of the test set.

        Raises:
            UserError: No pixel counts.
        """
        matrix = results[0].to_dense()
        for part in results[1:]:
            matrix += part
        require_pixels(matrix, 'test')
        right, mean = accuracies(matrix)
        return dict(
            mIoU=100 * miou(matrix, self.variant),
            mAcc=100 * mean,
            aAcc=100 * right,
        )
