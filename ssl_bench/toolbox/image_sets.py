"""Image sets of mmpretrain, listed and checked by the layouts.

`ClassFolders`, `CorruptedFolders` and `INat18` are sets that mmpretrain has
no class for. The others replace mmpretrain's own (`read_with_care`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmpretrain.datasets import (
    VOC,
    BaseDataset,
    CustomDataset,
    ImageNet,
    Places205,
)
from mmpretrain.registry import DATASETS

from ssl_bench.tasks.datasets import wordnet_ids
from ssl_bench.tasks.layouts import (
    CorruptedLayout,
    FolderLayout,
    InatLayout,
    ListLayout,
    VocBoxLayout,
)


@DATASETS.register_module()
class ListedCustomDataset(CustomDataset):
    """mmpretrain's ``CustomDataset``: a folder or a list of images."""

    by_folder = False  # the labels of a list may have any order

    @property
    def layout(self) -> FolderLayout | ListLayout:
        """What is on disk."""
        classes = len(self.CLASSES) if self.CLASSES else None
        if self.ann_file:
            return ListLayout(
                list_file=self.ann_file,
                images=self.img_prefix,
                classes=classes,
                by_folder=self.by_folder,
            )
        return FolderLayout(
            folder=self.img_prefix.rstrip('/'), classes=classes
        )

    def load_data_list(self) -> list[dict]:
        """Path and label of every image.

        Raises:
            UserError: The layout has a problem.
        """
        if not self.with_label:
            return super().load_data_list()
        layout = self.layout
        reading = layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        if self.CLASSES is None and isinstance(layout, FolderLayout):
            self._metainfo['classes'] = tuple(layout.class_order())
        return _rows(reading.entries)


@DATASETS.register_module()
class ListedImageNet(ListedCustomDataset, ImageNet):
    """mmpretrain's ``ImageNet``."""

    by_folder = True


@DATASETS.register_module()
class ListedPlaces205(ListedCustomDataset, Places205):
    """mmpretrain's ``Places205``."""


@DATASETS.register_module()
class ListedVOC(VOC):
    """mmpretrain's ``VOC``: the classes of each image's objects."""

    @property
    def layout(self) -> VocBoxLayout:
        """What is on disk."""
        return VocBoxLayout(
            list_file=self.image_set_path,
            images=self.img_prefix,
            annotations=self.ann_prefix,
            names=tuple(self.CLASSES),
        )

    def load_data_list(self) -> list[dict]:
        """Path of every image, classes of its objects, difficult ones apart.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        label = self.class_to_idx
        rows = []
        for entry in reading.entries:
            classes: tuple[set, set] = set(), set()
            for box in entry.objects:
                classes[box.difficult].add(label[box.name])
            rows.append(
                dict(
                    img_path=entry.image,
                    width=entry.width,
                    height=entry.height,
                    gt_label=list(classes[False]),
                    gt_label_difficult=list(classes[True]),
                )
            )
        return rows


@DATASETS.register_module()
class ClassFolders(BaseDataset):
    """A test set of some of a classifier's classes, one folder for each.

    Labels are indices into all classes, so that a classifier of all of them
    can be tested; ``metainfo['subset']`` has those of the set, which
    `SubsetAccuracy` reads.

    Args:
        data_root (str): ``<class>/<image>``.
        names (Sequence[str], optional): Folder names of all classes in the
            order of the logits; ImageNet's when None.
        count (int, optional): Number of folders that must be there.
        ann_file (str): List of the images that are taken; all when empty.
        **kwargs: Of mmpretrain's ``BaseDataset``.
    """

    def __init__(
        self,
        data_root: str,
        names: Sequence[str] | None = None,
        count: int | None = None,
        ann_file: str = '',
        **kwargs,
    ) -> None:
        classes = tuple(names or wordnet_ids())
        self.layout: FolderLayout | ListLayout = FolderLayout(
            folder=data_root, classes=count, names=classes
        )
        if ann_file:
            self.layout = ListLayout(
                list_file=ann_file,
                images=data_root,
                classes=len(classes),
                names=classes,
                by_folder=True,
            )
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            metainfo=dict(classes=classes),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Path and label of every image.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        labels = {entry.label for entry in reading.entries}
        self._metainfo['subset'] = tuple(sorted(labels))
        return _rows(reading.entries)


@DATASETS.register_module()
class CorruptedFolders(BaseDataset):
    """ImageNet-C: ``<corruption>/<severity>/<class>/<image>``.

    Args:
        data_root (str): Above the corruptions.
        corruptions (Sequence[str]): Those that count.
        severities (Sequence[int]): Of each.
        names (Sequence[str], optional): As in `ClassFolders`.
        count (int, optional): As above.
        **kwargs: Of mmpretrain's ``BaseDataset``.
    """

    def __init__(
        self,
        data_root: str,
        corruptions: Sequence[str],
        severities: Sequence[int] = (1, 2, 3, 4, 5),
        names: Sequence[str] | None = None,
        count: int | None = None,
        **kwargs,
    ) -> None:
        self.layout = CorruptedLayout(
            folder=data_root,
            corruptions=tuple(corruptions),
            severities=tuple(severities),
            classes=count,
            names=tuple(names or wordnet_ids()),
        )
        self.cells = self.layout.cells
        super().__init__(
            ann_file='',
            data_root=data_root,
            metainfo=dict(classes=self.layout.names),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Images of the first cell; the others have the same.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        return [
            dict(name=entry.image, gt_label=entry.label)
            for entry in reading.entries
        ]

    def __len__(self) -> int:
        self.full_init()
        return len(self.cells) * super().__len__()

    def get_gt_labels(self) -> np.ndarray:
        """Labels of one cell's images; the other cells have the same."""
        return np.array(
            [
                BaseDataset.get_data_info(self, i)['gt_label']
                for i in range(super().__len__())
            ]
        )

    def get_data_info(self, idx: int) -> dict:
        """Of image ``idx`` modulo the images of a cell."""
        cell, index = divmod(idx, super().__len__())
        info = super().get_data_info(index)
        corruption, severity = self.cells[cell]
        path = Path(self.data_root) / corruption / str(severity)
        return dict(
            info,
            img_path=str(path / info.pop('name')),
            corruption=corruption,
            severity=severity,
        )


@DATASETS.register_module()
class INat18(BaseDataset):
    """iNaturalist 2018 with its own annotation files.

    Args:
        data_root (str): Above ``train_val2018`` and the annotation files.
        ann_file (str): ``train2018.json`` or ``val2018.json``.
        **kwargs: Of mmpretrain's ``BaseDataset``.
    """

    @property
    def layout(self) -> InatLayout:
        """What is on disk."""
        return InatLayout(annotations=self.ann_file, images=self.data_root)

    def load_data_list(self) -> list[dict]:
        """Path and label of every image; labels follow the category ids.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        self._metainfo['classes'] = reading.classes
        return _rows(reading.entries)


def _rows(entries) -> list[dict]:
    """Entries of a layout as mmpretrain's rows."""
    return [
        dict(img_path=entry.image, gt_label=entry.label) for entry in entries
    ]
