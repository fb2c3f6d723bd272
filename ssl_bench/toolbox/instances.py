"""Readers of instance annotations that refuse or count what is wrong.

mmdet's readers drop annotations of unknown classes silently, shift labels
when a class is missing from the file, and stop in the middle of an epoch at
an object without a mask or an image that is not there.
"""

import logging
from collections import Counter
from typing import Any

from mmdet.datasets import CocoDataset, LVISV1Dataset
from mmdet.registry import DATASETS

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import CocoLayout, LvisLayout
from ssl_bench.tasks.layouts.base import no_garbage_collection
from ssl_bench.tasks.layouts.coco import CocoImage

OTHER_CLASS = "objects of classes that are not the task's"


def summary(left_out: Counter) -> str:
    """Numbers and reasons in one line."""
    return ', '.join(
        f'{count} {reason}' for reason, count in sorted(left_out.items())
    )


def some_left(rows: list, ann_file: str) -> list:
    """The images to train on, of which there must be some."""
    if not rows:
        raise UserError(
            f'{ann_file}: no image has an object. Are the '
            'annotations those of its images?'
        )
    return rows


@DATASETS.register_module()
class CocoInstances(CocoDataset):
    """mmdet's COCO reader on a `CocoLayout`.

    Attributes:
        left_out (Counter): Annotations that were skipped, by reason.
    """

    layout_class: type[CocoLayout] = CocoLayout
    names_differ = False  # mmdet spells the classes in another way

    @property
    def layout(self) -> CocoLayout:
        """What is on disk."""
        return self.layout_class(
            annotations=self.ann_file, images=self.data_prefix['img']
        )

    @no_garbage_collection()
    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file.

        Raises:
            UserError: The layout has a problem, or the classes of the file
                are not the task's.
        """
        layout = self.layout
        reading = layout.read(scored=self.test_mode)
        reading.refuse()
        self._set_classes(reading.categories)
        self.cat_img_map = reading.images_of
        self.left_out = Counter(reading.left_out)
        rows = [
            self._row(entry, layout.file_name(entry.row))
            for entry in reading.entries
        ]
        if self.left_out:
            logging.getLogger(__name__).warning(
                '%s: left out %s', self.ann_file, self.summary_of_left_out()
            )
        return rows

    def filter_data(self) -> list[dict[str, Any]]:
        """Drop images as the config says.

        Raises:
            UserError: None is left.
        """
        return some_left(super().filter_data(), self.ann_file)

    def summary_of_left_out(self) -> str:
        """For instance: 3 boxes of no area, 1 objects without mask."""
        return summary(self.left_out)

    def _set_classes(self, categories: list[dict[str, Any]]) -> None:
        """Labels are places in the file's list; it must be the task's."""
        want = self.metainfo['classes']
        found = [
            row
            for row in categories
            if self.names_differ or row['name'] in want
        ]
        if len(found) != len(want):
            raise UserError(
                f'{self.ann_file} knows {len(found)} of the '
                f'{len(want)} classes of this task. Its `categories` must '
                'name every class; their ids can be any numbers.'
            )
        order = [row['name'] for row in found]
        if not self.names_differ and tuple(order) != tuple(want):
            raise UserError(
                f'{self.ann_file} has the `categories` of this task in '
                f'another order, {order[0]} first instead of {want[0]}. '
                'Sort them in the same way in every file.'
            )
        self.cat_ids = [row['id'] for row in found]
        self.cat2label = {key: label for label, key in enumerate(self.cat_ids)}

    def _row(self, entry: CocoImage, name: str) -> dict[str, Any]:
        """One image and its objects in mmdet's form."""
        kept = [
            ann
            for ann in entry.objects
            if ann['category_id'] in self.cat2label
        ]
        if len(kept) < len(entry.objects):
            self.left_out[OTHER_CLASS] += len(entry.objects) - len(kept)
        row = dict(entry.row, img_id=entry.row['id'], file_name=name)
        return self.parse_data_info(dict(raw_ann_info=kept, raw_img_info=row))


@DATASETS.register_module()
class LvisInstances(CocoInstances, LVISV1Dataset):
    """mmdet's LVIS reader on an `LvisLayout`."""

    layout_class = LvisLayout
    names_differ = True
