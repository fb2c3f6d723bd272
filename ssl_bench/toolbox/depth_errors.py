"""Errors of depth maps, for each image and then averaged."""

import logging
from collections.abc import Sequence
from math import isnan
from typing import Any

from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.depth_scores import (
    depth_scores,
    mean_scores,
    valid_pixels,
)
from ssl_bench.toolbox.reported import DEPTH

RECTANGLES = ('eigen', 'whole')


@METRICS.register_module()
class DepthErrors(BaseMetric):
    """Errors in metres or none, and shares of pixels, means over images.

    Reference: Eigen et al., NeurIPS 2014; DINOv2's and DINOv3's programs. An
        image without a valid pixel does not count. There is no scaling by
        the median and no fit of scale and shift.

    Args:
        lowest, highest (float): Metres; a valid pixel's truth is strictly
            between them.
        rectangle (str): ``eigen``: pixels in `eigen_rectangle` alone;
            ``whole``: all.
        **more: What else mmengine's metrics take.

    Raises:
        UserError: Another word.
    """

    def __init__(
        self, *, lowest: float, highest: float, rectangle: str, **more: Any
    ) -> None:
        super().__init__(**more)
        if rectangle not in RECTANGLES:
            raise unknown_name(
                'test_evaluator.rectangle', str(rectangle), RECTANGLES
            )
        self.lowest, self.highest = lowest, highest
        self.eigen = rectangle == 'eigen'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """One row for every image, so that those of a padded sampler can be
        taken out by their number."""
        for row in data_samples:
            truth = row['gt_depth_map']['data'][0]  # (H, W)
            depth = row['pred_depth_map']['data'][0].to(truth.device)
            valid = valid_pixels(truth, self.lowest, self.highest, self.eigen)
            self.results.append(depth_scores(depth, truth, valid))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Means over the images that have a valid pixel.

        Raises:
            UserError: None has one.
        """
        empty = sum(isnan(row['rmse']) for row in results)
        if empty == len(results):
            raise UserError(
                f'no depth map of the test has a valid pixel: {self.lowest} '
                f'< depth < {self.highest} metres'
                + (' in the rectangle that is scored.' if self.eigen else '.')
            )
        if empty:
            logging.getLogger(__name__).warning(
                '%d of %d images have no valid pixel and do not count',
                empty,
                len(results),
            )
        means = mean_scores(results)
        return {name: means[own] for name, own in DEPTH.items()}
