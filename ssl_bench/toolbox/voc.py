"""PASCAL VOC detection as Detectron2 reads and scores it."""

import logging
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
from mmdet.datasets import VOCDataset
from mmdet.registry import DATASETS, METRICS
from mmengine.evaluator import BaseMetric

from ssl_bench.errors import UserError
from ssl_bench.toolbox.instances import some_left, summary
from ssl_bench.toolbox.voc_ap import Detections, Objects, class_ap, summarise


@DATASETS.register_module()
class VOCDetection(VOCDataset):
    """VOC with Detectron2's boxes, and difficult objects trained on.

    Differences from mmdet's reader:

    * boxes are ``[xmin - 1, ymin - 1, xmax, ymax]``, continuous pixels;
      mmdet subtracts 1 from all four and so loses a row and a column;
    * outside ``test_mode`` a difficult object is an ordinary one; mmdet
      ignores it, so that its area is trained as background.

    Objects whose box is empty are left out and counted; a file that cannot
    be read is a ``UserError`` with its name, and so are objects of other
    classes, which mmdet passes over silently.

    Attributes:
        left_out (Counter): Objects that were skipped, by reason.
    """

    def load_data_list(self) -> list[dict]:
        """Read every annotation; say how many boxes were empty."""
        self.left_out: Counter = Counter()
        self.others: Counter = Counter()
        try:
            data_list = super().load_data_list()
        except FileNotFoundError as error:
            raise UserError(
                f'{error.filename} is missing; {self.ann_file} names its '
                'image. Complete the data set.'
            ) from error
        if self.others:
            raise UserError(
                f'{self.ann_file}: {sum(self.others.values())} objects are '
                f'of other classes than the {len(self.metainfo["classes"])} '
                f'of this task, for instance {min(self.others)}. Mend the '
                'annotations, or name their classes in the metainfo of '
                'every data set.'
            )
        if self.left_out:
            logging.getLogger(__name__).warning(
                '%s: left out %s', self.ann_file, self.summary_of_left_out()
            )
        return data_list

    def filter_data(self) -> list[dict]:
        """Drop images without objects, if the config says so."""
        return some_left(super().filter_data(), self.ann_file)

    def summary_of_left_out(self) -> str:
        """For instance: 3 objects with an empty box."""
        return summary(self.left_out)

    def parse_data_info(self, img_info: dict) -> dict:
        """Parse one XML file, naming it when it is broken."""
        try:
            return super().parse_data_info(img_info)
        except (ElementTree.ParseError, AttributeError, ValueError) as error:
            raise UserError(
                f'{img_info["xml_path"]} is no VOC annotation: {error}. '
                'Mend the file or take its image out of '
                f'{self.ann_file}.'
            ) from error

    def _parse_instance_info(
        self, raw_ann_info, minus_one: bool = True
    ) -> list[dict]:
        names = [
            item.find('name').text for item in raw_ann_info.findall('object')
        ]
        self.others.update(
            name for name in names if name not in self.metainfo['classes']
        )
        instances = []
        for item in super()._parse_instance_info(
            raw_ann_info, minus_one=False
        ):
            x1, y1, x2, y2 = item['bbox']
            if x2 < x1 or y2 < y1:  # inclusive: equal means one pixel
                self.left_out['objects with an empty box'] += 1
                continue
            item['bbox'] = [x1 - 1, y1 - 1, x2, y2]
            if not self.test_mode:
                item['ignore_flag'] = 0
            instances.append(item)
        return instances


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
