"""Readers of instance annotations that refuse or count what is amiss.

mmdet's readers drop annotations of unknown classes silently, shift labels
when a class is missing from the file, and stop in the middle of an epoch at
an object without a mask or an image that is not there.
"""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset, LVISV1Dataset
from mmdet.registry import DATASETS

from ssl_bench.errors import UserError
from ssl_bench.tasks.annotation_rules import NO_MASK, annotation_fault

OTHER_CLASS = "objects of classes that are not the task's"


class CarefulParsing:
    """Mixed into a reader of mmdet: checks while it reads.

    Attributes:
        left_out (Counter): Annotations that were skipped, by reason.
    """

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file.

        Raises:
            UserError: It is none, its classes are not the task's, or images
                are missing.
        """
        self.left_out: Counter = Counter()
        self.order: list[str] = []
        try:
            rows = super().load_data_list()
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f'{self.ann_file} is no annotation file of '
                f"COCO's form: {error!r}"
            ) from error
        self._check_classes()
        check_images(self.ann_file, [row['img_path'] for row in rows])
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

    def _check_classes(self) -> None:
        """Labels are places in the file's list; it must be the task's."""
        want = self.metainfo['classes']
        if len(self.cat_ids) != len(want):
            raise UserError(
                f'{self.ann_file} knows {len(self.cat_ids)} of the '
                f'{len(want)} classes of this task. Its `categories` must '
                'name every class, whatever their ids.'
            )
        if self.order and tuple(self.order) != tuple(want):
            raise UserError(
                f'{self.ann_file} has the `categories` of this task in '
                f'another order, {self.order[0]} first instead of {want[0]}. '
                'Sort them alike in every file.'
            )

    def parse_data_info(self, raw_data_info: dict) -> dict:
        """One image's objects, without those that cannot be trained on."""
        if not self.order:
            self.order = self._names_in_file()
        anns, kept = raw_data_info['raw_ann_info'], []
        for ann in anns:
            reason = annotation_fault(ann, raw_data_info['raw_img_info'])
            if ann['category_id'] not in self.cat_ids:
                reason = OTHER_CLASS
            if reason is None:
                kept.append(ann)
                continue
            if self.test_mode and reason == NO_MASK:
                # scoring would stop, after all of the training
                raise UserError(
                    f'{self.ann_file}: the object {ann["id"]} '
                    'has no mask to be scored against.'
                )
            self.left_out[reason] += 1
        return super().parse_data_info(dict(raw_data_info, raw_ann_info=kept))


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


def check_images(
    ann_file: str, paths: list[str], what: str = 'images'
) -> None:
    """Look for every image, a folder at a time.

    Args:
        ann_file (str): What names them, for the message.
        paths (list[str]): Where they should be.
        what (str): They are.

    Raises:
        UserError: How many are missing, and one of them.
    """
    there: dict[str, set] = {}
    missing = []
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in there:
            there[folder] = (
                set(os.listdir(folder)) if Path(folder).is_dir() else set()
            )
        if name not in there[folder]:
            missing.append(path)
    if missing:
        raise UserError(
            f'{ann_file} names {len(paths)} {what}, {len(missing)} are not '
            f'there, first {missing[0]}. Complete them, or take their entries '
            'out.'
        )


@DATASETS.register_module()
class CocoInstances(CarefulParsing, CocoDataset):
    """mmdet's COCO reader, with `CarefulParsing`."""

    def _names_in_file(self) -> list[str]:
        return [row['name'] for row in self.coco.load_cats(self.cat_ids)]


@DATASETS.register_module()
class LvisInstances(CarefulParsing, LVISV1Dataset):
    """mmdet's LVIS reader, with `CarefulParsing`."""

    def _names_in_file(self) -> list[str]:
        return []  # LVIS spells its names otherwise than mmdet
