"""Matching of queries and objects that a diverged network does not end."""

import torch
from mmdet.models.task_modules import HungarianAssigner
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.registry import TASK_UTILS
from mmengine.structures import InstanceData


@TASK_UTILS.register_module()
class FiniteHungarianAssigner(HungarianAssigner):
    """mmdet's matching; costs that are no numbers match nothing.

    The matching raises an error of its own for them. Without a match the
    loss of these predictions is computed, which is then no number either, so
    that a run stops as it does with every detector (`FiniteLossHook`).
    """

    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        img_meta: dict | None = None,
        **kwargs,
    ) -> AssignResult:
        """As mmdet's: queries (N,) get the number of an object, or 0."""
        try:
            return super().assign(
                pred_instances, gt_instances, img_meta, **kwargs
            )
        except ValueError as error:
            if 'invalid numeric entries' not in str(error):
                raise
        labels: torch.Tensor = gt_instances.labels
        count = len(pred_instances)
        return AssignResult(
            num_gts=len(gt_instances),
            gt_inds=labels.new_zeros(count),
            max_overlaps=None,
            labels=labels.new_full((count,), -1),
        )
