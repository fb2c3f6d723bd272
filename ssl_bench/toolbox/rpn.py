"""How Detectron2 labels anchors, where mmdet does it otherwise."""

from typing import Any

import torch
from mmdet.models.task_modules import AnchorGenerator, MaxIoUAssigner
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.registry import TASK_UTILS
from torch import Tensor


@TASK_UTILS.register_module()
class AnchorsOverPadding(AnchorGenerator):
    """mmdet's anchors, those over the padding of a batch included.

    Images of a batch have one size, the smaller ones by padding. Anchors over
    it take part in Detectron2 and are negatives; mmdet leaves them out.

    Reference: Detectron2's ``modeling/proposal_generator/rpn.py``,
        ``label_and_sample_anchors`` with its default of -1 for the border.
    """

    def valid_flags(
        self,
        featmap_sizes: list[tuple[int, int]],
        pad_shape: tuple,
        device: Any = 'cuda',
    ) -> list[Tensor]:
        """All true, a flag for each anchor of each level."""
        return [
            torch.ones(
                height * width * anchors, dtype=torch.bool, device=device
            )
            for (height, width), anchors in zip(
                featmap_sizes, self.num_base_anchors
            )
        ]


@TASK_UTILS.register_module()
class LargestOverlapAssigner(MaxIoUAssigner):
    """mmdet's labels; a positive belongs to what it overlaps most.

    An anchor may be positive only because no other fits some object better.
    mmdet regresses it to that object, Detectron2 to the object that the
    anchor itself overlaps most.

    Reference: Detectron2's ``modeling/matcher.py``.
    """

    def assign_wrt_overlaps(
        self, overlaps: Tensor, gt_labels: Tensor
    ) -> AssignResult:
        """Assign by the overlaps of K objects with N anchors, (K, N)."""
        result = super().assign_wrt_overlaps(overlaps, gt_labels)
        if len(overlaps):
            # of all anchors: choosing some would wait for the device
            positive, owner = result.gt_inds > 0, overlaps.argmax(0)
            result.gt_inds = torch.where(positive, owner + 1, result.gt_inds)
            result.labels = torch.where(
                positive, gt_labels[owner], result.labels
            )
        return result
