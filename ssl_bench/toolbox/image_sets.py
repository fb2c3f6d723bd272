"""Image sets that mmpretrain has no reader for, and faults it overlooks."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from ssl_bench.errors import UserError
from ssl_bench.tasks.subsets import SUFFIXES


@lru_cache(maxsize=1)
def wordnet_ids() -> tuple[str, ...]:
    """Folder names of ImageNet-1K's classes, in the order of the logits."""
    path = Path(__file__).with_name('imagenet_wnids.txt')
    return tuple(path.read_text(encoding='utf-8').split())


def images_of(folder: Path) -> list[str]:
    """Sorted names of the images right below a folder."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
    )


def class_folders(
    root: Path, names: Sequence[str], count: int | None
) -> dict[str, list[str]]:
    """Images of each class folder.

    Args:
        root (Path): ``<class>/<image>``; other files are left alone.
        names (Sequence[str]): Every class that there is.
        count (int, optional): How many of them the set must have.

    Raises:
        UserError: A folder of no class, a class without image, or another
            number of classes.
    """
    if not root.is_dir():
        raise UserError(
            f'{root} is no folder; expected <class>/<image> below it.'
        )
    found = {
        path.name: images_of(path)
        for path in sorted(root.iterdir())
        if path.is_dir()
    }
    strange = sorted(set(found) - set(names))
    if strange:
        raise UserError(
            f'{root} has {len(strange)} folders that are no class, first '
            f'{strange[0]}; expected names such as {names[0]}.'
        )
    empty = [name for name, images in found.items() if not images]
    if empty:
        raise UserError(
            f'{root}: {len(empty)} class folders hold no image, '
            f'first {empty[0]}. Unpack the set again.'
        )
    if count is not None and len(found) != count:
        raise UserError(
            f'{root} has {len(found)} class folders, expected '
            f'{count}. Unpack the set again.'
        )
    return found


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
        **kwargs: Of mmpretrain's ``BaseDataset``.
    """

    def __init__(
        self,
        data_root: str,
        names: Sequence[str] | None = None,
        count: int | None = None,
        **kwargs,
    ) -> None:
        self.names = tuple(names or wordnet_ids())
        self.count = count
        super().__init__(
            ann_file='',
            data_root=data_root,
            metainfo=dict(classes=self.names),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Path and label of every image."""
        root = Path(self.data_root)
        found = class_folders(root, self.names, self.count)
        label = {name: index for index, name in enumerate(self.names)}
        self._metainfo['subset'] = tuple(sorted(label[n] for n in found))
        return [
            dict(img_path=str(root / name / image), gt_label=label[name])
            for name, images in found.items()
            for image in images
        ]


@DATASETS.register_module()
class CorruptedFolders(BaseDataset):
    """ImageNet-C: ``<corruption>/<severity>/<class>/<image>``.

    The same images lie in every corruption and severity, so that their
    names are kept once: 15 x 5 x 50,000 entries would fill gigabytes.

    Args:
        data_root (str): Above the corruptions.
        corruptions (Sequence[str]): Those that count.
        severities (Sequence[int]): Of each.
        names (Sequence[str], optional): As in `ClassFolders`.
        count (int, optional): Likewise.
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
        self.names = tuple(names or wordnet_ids())
        self.count = count
        self.cells = [
            (corruption, severity)
            for corruption in corruptions
            for severity in severities
        ]
        super().__init__(
            ann_file='',
            data_root=data_root,
            metainfo=dict(classes=self.names),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Images of the first cell; the others must hold the same."""
        first = None
        for corruption, severity in self.cells:
            home = Path(self.data_root) / corruption / str(severity)
            found = class_folders(home, self.names, self.count)
            first = first or found
            if found != first:
                raise UserError(
                    f'{home} holds other images than the first severity of '
                    f'{self.cells[0][0]}. Unpack the set again.'
                )
        label = {name: index for index, name in enumerate(self.names)}
        return [
            dict(name=f'{name}/{image}', gt_label=label[name])
            for name, images in first.items()
            for image in images
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

    def load_data_list(self) -> list[dict]:
        """Path and label of every image; labels follow the category ids.

        Raises:
            UserError: Not such a file, or an annotation of no image or
                category.
        """
        try:
            content = json.loads(Path(self.ann_file).read_text())
            categories = sorted(
                content['categories'], key=lambda row: row['id']
            )
            names = {row['id']: row['file_name'] for row in content['images']}
            pairs = [
                (row['image_id'], row['category_id'])
                for row in content['annotations']
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f'{self.ann_file} is no annotation file of '
                f'iNaturalist: {error!r}'
            ) from error
        label = {row['id']: index for index, row in enumerate(categories)}
        stray = [
            pair
            for pair in pairs
            if pair[0] not in names or pair[1] not in label
        ]
        if stray:
            raise UserError(
                f'{self.ann_file}: {len(stray)} annotations name an image '
                f'or category that it lacks, first image {stray[0][0]} in '
                f'category {stray[0][1]}.'
            )
        self._metainfo['classes'] = tuple(row['name'] for row in categories)
        root = Path(self.data_root)
        return [
            dict(img_path=str(root / names[image]), gt_label=label[category])
            for image, category in pairs
        ]
