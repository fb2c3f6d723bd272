"""Readers of instance annotations that refuse or count what is wrong.

mmdet's readers drop annotations of unknown classes silently, shift labels
when a class is missing from the file, stop in the middle of an epoch at an
object without a mask or an image that is not there, and hold a dict of every
object in every process.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmdet.datasets import CocoDataset, LVISV1Dataset
from mmdet.datasets.transforms import LoadAnnotations
from mmdet.registry import DATASETS, TRANSFORMS

from ssl_bench.errors import UserError
from ssl_bench.once_per_node import once_per_node
from ssl_bench.tasks.layouts import CocoLayout, LvisLayout
from ssl_bench.tasks.layouts.annotations import Annotations, Numbers
from ssl_bench.tasks.layouts.json_rows import Category
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.objects import other_classes

OTHER_CLASS = "objects of classes that are not the task's"


def summary(left_out: Counter) -> str:
    """Numbers and reasons in one line."""
    return ', '.join(
        f'{count} {reason}' for reason, count in sorted(left_out.items())
    )


def some_left(rows: Sequence, ann_file: str) -> Sequence:
    """The images to train on, of which there must be some."""
    if not len(rows):
        raise UserError(
            f'{ann_file}: no image has an object. Are the '
            'annotations those of its images?'
        )
    return rows


@dataclass
class Loaded:
    """What was read, in the form that processes share.

    Attributes:
        annotations (Annotations): The file.
        usable (ndarray): (N,) bool, objects that are kept.
        left_out (Counter): Objects that are not, by reason.
        remarks (list[str]): What a record should say besides.
    """

    annotations: Annotations
    usable: Numbers
    left_out: Counter[str]
    remarks: list[str]


class Rows(Sequence):
    """mmdet's rows of a set, each made when it is asked for.

    Args:
        annotations (Annotations): The file.
        labels (ndarray): (N,) of each object; -1 leaves it out.
        chosen (ndarray): Rows of the images.
        folder (str): Of the images.
        common (dict): What every row has besides.
    """

    def __init__(
        self,
        annotations: Annotations,
        labels: Numbers,
        chosen: Numbers,
        folder: str,
        common: dict[str, Any],
    ) -> None:
        self.annotations, self.labels, self.chosen = (
            annotations,
            labels,
            chosen,
        )
        self.folder, self.common = folder, common

    def take(self, chosen: Numbers) -> 'Rows':
        """Some of the images."""
        return Rows(
            self.annotations, self.labels, chosen, self.folder, self.common
        )

    def labels_of(self, index: int) -> Numbers:
        """Of an image's objects."""
        labels = self.labels[self.annotations.objects.of(self.chosen[index])]
        return labels[labels >= 0]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.take(self.chosen[index])
        images, image = self.annotations.images, self.chosen[index]
        objects = self.annotations.objects.of(image)
        return dict(
            img_path=os.path.join(self.folder, images.name(image)),
            img_id=int(images.ids[image]),
            seg_map_path=None,
            height=int(images.heights[image]),
            width=int(images.widths[image]),
            **self.common,
            instances=[
                self._object(row)
                for row in objects[self.labels[objects] >= 0].tolist()
            ],
        )

    def _object(self, row: int) -> dict[str, Any]:
        objects = self.annotations.objects
        x, y, width, height = objects.boxes[row].tolist()
        return dict(
            ignore_flag=int(objects.crowds[row]),
            bbox=[x, y, x + width, y + height],
            bbox_label=int(self.labels[row]),
            mask=objects.mask(row),
        )


@DATASETS.register_module()
class CocoInstances(CocoDataset):
    """mmdet's COCO reader on a `CocoLayout`.

    Attributes:
        left_out (Counter): Annotations that were skipped, by reason.
        notes (list[str]): What a record should say besides.
    """

    layout_class: type[CocoLayout] = CocoLayout
    names_differ = False  # mmdet spells the classes in another way
    data_list: Rows

    def __init__(self, *args, whole: bool = False, **kwargs) -> None:
        self.whole = whole  # of the layout
        # the arrays of the rows need no other form
        super().__init__(*args, **{**kwargs, 'serialize_data': False})

    @property
    def layout(self) -> CocoLayout:
        """What is on disk."""
        return self.layout_class(
            annotations=self.ann_file,
            images=self.data_prefix['img'],
            masks=self._reads_masks,
            whole=self.whole,
        )

    @property
    def _reads_masks(self) -> bool:
        """Whether the pipeline loads masks, or loads nothing yet."""
        loaders = [
            step.with_mask
            for step in self.pipeline.transforms
            if hasattr(step, 'with_mask')
        ]
        return not loaders or any(loaders)

    def load_data_list(self) -> Rows:
        """Read the annotation file.

        Raises:
            UserError: The layout has a problem, or the classes of the file
                are not the task's.
        """
        loaded = once_per_node(self._read)
        found, usable = loaded.annotations, loaded.usable
        label_of = self._set_classes(found.categories)
        labels = np.where(usable, label_of[found.objects.categories], -1)
        self.left_out, self.notes = loaded.left_out, loaded.remarks
        other = int((usable & (labels < 0)).sum())
        if other:
            self.left_out[OTHER_CLASS] = other
        if self.left_out:
            logging.getLogger(__name__).warning(
                '%s: left out %s', self.ann_file, self.summary_of_left_out()
            )
        common: dict[str, Any] = {}
        if self.return_classes:
            common = dict(
                text=self.metainfo['classes'],
                caption_prompt=self.caption_prompt,
                custom_entities=True,
            )
        every = np.arange(len(found.images.ids))
        folder = self.data_prefix['img']
        return Rows(found, labels.astype(np.int32), every, folder, common)

    def _read(self) -> Loaded:
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        assert reading.annotations is not None  # or there is a problem
        return Loaded(
            reading.annotations,
            reading.usable,
            reading.left_out,
            reading.remarks,
        )

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """An image and its objects in mmdet's form."""
        self.full_init()
        return dict(self.data_list[idx], sample_idx=idx % len(self))

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of an image's objects."""
        return self.data_list.labels_of(idx).tolist()

    def filter_data(self) -> Sequence:
        """Drop images as the config says.

        Raises:
            UserError: None is left.
        """
        rows, settings = self.data_list, self.filter_cfg or {}
        if not self.test_mode:
            found = rows.annotations
            images, objects = found.images, found.objects
            keep = np.minimum(images.widths, images.heights) >= settings.get(
                'min_size', 0
            )
            if settings.get('filter_empty_gt', False):
                # as in mmdet, objects that are left out count as well
                known = np.isin(
                    [row.id for row in found.categories], self.cat_ids
                )
                holders = objects.images[known[objects.categories]]
                keep &= np.bincount(holders, minlength=len(keep)) > 0
            rows = rows.take(np.flatnonzero(keep))
        return some_left(rows, self.ann_file)

    def summary_of_left_out(self) -> str:
        """For instance: 3 boxes of no area, 1 objects without mask."""
        return summary(self.left_out)

    def _set_classes(self, categories: list[Category]) -> Numbers:
        """Find each category's label by its name.

        Returns:
            ndarray: Label of each category, -1 for those of other tasks.
        """
        names = [row.name for row in categories]
        want = list(self.metainfo['classes'])
        if self.names_differ and len(names) == len(want):
            want = names
        refuse(other_classes(names, want, self.ann_file, self.names_differ))
        place = {name: label for label, name in enumerate(want)}
        labels = np.array([place.get(name, -1) for name in names], int)
        known = [names.index(name) for name in want]
        self.cat_ids = [categories[index].id for index in known]
        self.cat2label = {key: label for label, key in enumerate(self.cat_ids)}
        return labels


@DATASETS.register_module()
class LvisInstances(CocoInstances, LVISV1Dataset):
    """mmdet's LVIS reader on an `LvisLayout`."""

    layout_class = LvisLayout
    names_differ = True


@TRANSFORMS.register_module()
class LoadInstances(LoadAnnotations):
    """mmdet's ``LoadAnnotations``, which also trains on run-length masks.

    mmdet ignores an object with a run-length mask where masks are polygons
    (``poly2mask=False``). Here the masks of its image become bitmaps.
    """

    poly2mask: bool

    def _load_masks(self, results: dict) -> None:
        polygons = not self.poly2mask
        self.poly2mask |= any(
            isinstance(item['mask'], dict) and not item['ignore_flag']
            for item in results['instances']
        )
        try:
            super()._load_masks(results)
        finally:
            self.poly2mask = not polygons
