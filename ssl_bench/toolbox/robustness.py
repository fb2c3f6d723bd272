"""Scores of a classifier on images unlike those it was trained on."""

from collections import defaultdict
from collections.abc import Sequence

from mmengine.evaluator import BaseMetric
from mmpretrain.evaluation import Accuracy
from mmpretrain.registry import METRICS

# Mean top-1 error of AlexNet over the five severities, percent: Hendrycks
# and Dietterich, ICLR 2019, as in the authors' program
ALEXNET = {
    'gaussian_noise': 88.6428,
    'shot_noise': 89.4468,
    'impulse_noise': 92.2640,
    'defocus_blur': 81.9880,
    'glass_blur': 82.6268,
    'motion_blur': 78.5948,
    'zoom_blur': 79.8360,
    'snow': 86.6816,
    'frost': 82.6572,
    'fog': 81.9324,
    'brightness': 56.4592,
    'contrast': 85.3204,
    'elastic_transform': 64.6056,
    'pixelate': 71.7840,
    'jpeg_compression': 60.6500,
}


@METRICS.register_module()
class SubsetAccuracy(Accuracy):
    """Accuracy among the classes of the set alone.

    ImageNet-A and -R have 200 of the classifier's 1000 classes; the logits
    of the others do not compete. The data set names its classes in
    ``metainfo['subset']``.
    """

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Take the scores of other classes out of the running."""
        subset = list(self.dataset_meta['subset'])
        for sample in data_samples:
            scores = sample['pred_score']  # (classes,)
            kept = scores.new_full(scores.shape, -1.0)  # below any softmax
            kept[subset] = scores[subset]
            sample['pred_score'] = kept
        super().process(data_batch, data_samples)


@METRICS.register_module()
class CorruptionError(BaseMetric):
    """Mean corruption error, and the errors behind it.

    Reference: Hendrycks and Dietterich, ICLR 2019, Sec. 4: for each
        corruption the mean error over the severities, divided by AlexNet's;
        the mean of these, times 100.

    The result has ``mCE``, ``1-mCE`` (100 - mCE, as SiameseIM prints it),
    ``top1`` (mean over all images), and ``error/<corruption>/<severity>``,
    all in percent.
    """

    def process(self, data_batch, data_samples: Sequence[dict]) -> None:
        """Note of each image its cell and whether it was recognised."""
        for sample in data_samples:
            right = sample['pred_score'].argmax() == sample['gt_label'][0]
            self.results.append(
                (sample['corruption'], sample['severity'], bool(right))
            )

    def compute_metrics(
        self, results: list[tuple[str, int, bool]]
    ) -> dict[str, float]:
        """Errors of every cell, and what follows from them."""
        wrong: dict[tuple, int] = defaultdict(int)
        total: dict[tuple, int] = defaultdict(int)
        for corruption, severity, right in results:
            wrong[corruption, severity] += not right
            total[corruption, severity] += 1
        errors = {cell: 100.0 * wrong[cell] / total[cell] for cell in total}
        mce = mean_corruption_error(errors)
        accuracy = 100.0 - 100.0 * sum(wrong.values()) / len(results)
        return {
            'mCE': mce,
            '1-mCE': 100.0 - mce,
            'top1': accuracy,
            **{
                f'error/{corruption}/{severity}': error
                for (corruption, severity), error in errors.items()
            },
        }


def mean_corruption_error(errors: dict[tuple[str, int], float]) -> float:
    """mCE, percent.

    Args:
        errors (dict): (corruption, severity) to top-1 error, percent; every
            corruption at the same severities.
    """
    rows: dict[str, list[float]] = defaultdict(list)
    for (corruption, _), error in errors.items():
        rows[corruption].append(error)
    ratios = [
        sum(row) / len(row) / ALEXNET[corruption]
        for corruption, row in rows.items()
    ]
    return 100.0 * sum(ratios) / len(ratios)
