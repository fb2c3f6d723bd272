"""PASCAL VOC detection as Detectron2 reads and scores it."""

import os
from collections.abc import Sequence

import numpy as np
from mmdet.datasets import VOCDataset
from mmdet.registry import DATASETS, METRICS
from mmengine.evaluator import BaseMetric

from ssl_bench.tasks.layouts import VocBoxLayout
from ssl_bench.tasks.layouts.voc import VocImage
from ssl_bench.toolbox.instances import some_left
from ssl_bench.toolbox.voc_ap import Detections, Objects, class_ap, summarise


@DATASETS.register_module()
class VOCDetection(VOCDataset):
    """VOC with Detectron2's boxes, and difficult objects trained on.

    Differences from mmdet's reader:

    * boxes are ``[xmin - 1, ymin - 1, xmax, ymax]``, continuous pixels;
      mmdet subtracts 1 from all four and so loses a row and a column;
    * outside ``test_mode`` a difficult object is an ordinary one; mmdet
      ignores it, so that its area is trained as background.

    Objects whose box is empty or outside the image are left out and counted;
    objects of other classes, which mmdet skips silently, are a ``UserError``.

    Attributes:
        notes (list[str]): What is left out.

    Args:
        whole (bool): As in `VocBoxLayout`.
        **kwargs: Of mmdet's reader. Without ``ann_file`` every XML file is
            taken.
    """

    def __init__(self, whole: bool = False, **kwargs) -> None:
        self.whole = whole
        super().__init__(**kwargs)

    @property
    def layout(self) -> VocBoxLayout:
        """What is on disk."""
        return VocBoxLayout(
            list_file=self.ann_file,
            images=os.path.join(self.sub_data_root, self.img_subdir),
            annotations=os.path.join(self.sub_data_root, self.ann_subdir),
            names=tuple(self.metainfo['classes']),
            whole=self.whole,
        )

    def load_data_list(self) -> list[dict]:
        """Read every annotation.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        self.cat2label = {
            name: label for label, name in enumerate(self.metainfo['classes'])
        }
        return [self._row(entry) for entry in reading.entries]

    def _row(self, entry: VocImage) -> dict:
        """One image and its objects in mmdet's form."""
        return dict(
            img_id=entry.name,
            img_path=entry.image,
            xml_path=entry.annotation,
            width=entry.width,
            height=entry.height,
            instances=[
                dict(
                    bbox=[box.x1 - 1, box.y1 - 1, box.x2, box.y2],
                    bbox_label=self.cat2label[box.name],
                    ignore_flag=int(box.difficult and self.test_mode),
                )
                for box in entry.boxes
            ],
        )

    def filter_data(self) -> list[dict]:
        """Drop images without objects, if the config says so."""
        return list(some_left(super().filter_data(), self.layout.place))


@METRICS.register_module()
class VOCDetectionMetric(BaseMetric):
    """VOC2007's 11-point AP over IoU 0.50:0.95, AP50 and AP75, in percent.

    Differences from mmdet's ``VOCMetric``: a match needs an overlap greater
    than, not equal to, the threshold; overlaps are double precision; scores
    and boxes are rounded as Detectron2's files are; a class without objects
    counts as 0; nothing is rounded in the result. It expects the boxes of
    `VOCDetection`. Checked against golden vectors of Detectron2's rules.

    Args:
        collect_device (str): Where the ranks' results are gathered.
    """

    default_prefix = 'voc'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the arrays of one batch."""
        for sample in data_samples:
            found = sample['pred_instances']
            truth = [sample['gt_instances'], sample['ignored_instances']]
            boxes = [_array(part['bboxes']) for part in truth]
            self.results.append(
                dict(
                    boxes=np.concatenate(boxes).reshape(-1, 4),
                    labels=np.concatenate(
                        [_array(part['labels']) for part in truth]
                    ),
                    difficult=np.repeat(
                        [False, True], [len(b) for b in boxes]
                    ),
                    found_boxes=_array(found['bboxes']),
                    found_labels=_array(found['labels']),
                    scores=_array(found['scores']),
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Score all images together."""
        per_class = []
        for label in range(len(self.dataset_meta['classes'])):
            truth, found = [], []
            for image, item in enumerate(results):
                mine = item['labels'] == label
                truth.append(
                    (
                        np.full(mine.sum(), image),
                        # back to inclusive, 1-based
                        item['boxes'][mine] + [1, 1, 0, 0],
                        item['difficult'][mine],
                    )
                )
                mine = item['found_labels'] == label
                found.append(
                    (
                        np.full(mine.sum(), image),
                        item['found_boxes'][mine],
                        item['scores'][mine],
                    )
                )
            per_class.append(
                class_ap(
                    Objects(*map(np.concatenate, zip(*truth))),
                    Detections(*map(np.concatenate, zip(*found))),
                )
            )
        return summarise(per_class)


def _array(tensor) -> np.ndarray:
    """A tensor, or mmdet's box object, as a double precision array."""
    tensor = getattr(tensor, 'tensor', tensor)
    return tensor.detach().cpu().double().numpy()
