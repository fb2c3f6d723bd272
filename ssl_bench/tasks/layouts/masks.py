"""Segmentation sets: each image has a mask of labels of its size."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import model_validator

from ssl_bench.files import visible_files
from ssl_bench.tasks.layouts.base import (
    Layout,
    Line,
    Problem,
    Reading,
    Size,
    broken_images,
    each,
    image_errors,
    image_size,
    missing_files,
    read_lines,
    size_problems,
    spread,
)
from ssl_bench.tasks.layouts.voc import in_devkit

if TYPE_CHECKING:
    import numpy as np

IGNORED = 255  # label of pixels that do not count


class Masked(NamedTuple):
    """An image and its mask."""

    image: str
    mask: str


class MaskFault(NamedTuple):
    """What is wrong with many masks, and with this one."""

    kind: str
    text: str


def mask_fault(
    mask: 'np.ndarray[Any, Any]', shape: Sequence[int], classes: int
) -> MaskFault | None:
    """Why a mask is unusable; None when it is usable.

    Args:
        mask (np.ndarray): Labels, (H, W) of its image.
        shape (Sequence[int]): (H, W) of the image.
        classes (int): Labels are below this, or 255.
    """
    if mask.shape != tuple(shape):
        return MaskFault(
            'masks are not as large as their image',
            f'is {mask.shape}, its image {tuple(shape)}',
        )
    beyond = mask[(mask >= classes) & (mask != IGNORED)]
    if beyond.size:
        return MaskFault(
            'masks have a label beyond the classes',
            f'has the label {beyond.max()}; this task knows 0 to '
            f'{classes - 1}, and {IGNORED} for what is ignored',
        )
    return None


def read_mask(path: str) -> 'np.ndarray[Any, Any]':
    """The labels of a mask file."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as mask:
        return np.asarray(mask)


def single_label(masks: Iterable[str], where: str) -> list[Line]:
    """One problem when all masks together have one label.

    It reads until it finds a second label. Masks whose classes were all
    written as 255 look so: every pixel that counts is background, and a
    network that finds nothing scores 100.

    Args:
        masks (Iterable[str]): Mask files; what does not decode is skipped.
        where (str): List or folder.
    """
    import numpy as np

    seen: set[int] = set()
    for path in masks:
        try:
            seen.update(np.unique(read_mask(path)).tolist())
        except image_errors():
            continue
        if len(seen - {IGNORED}) > 1:
            return []
    if not seen:
        return []
    labels = ' and '.join(map(str, sorted(seen)))
    return [
        Problem(
            f'{where}: no mask has another label than {labels}, so there is '
            'nothing to learn or to score. Write the classes as 1, 2, ...; '
            f'{IGNORED} is for pixels that do not count.'
        )
    ]


class MaskLayout(Layout):
    """Images and masks with the same names in two folders.

    Attributes:
        images (str), masks (str): The folders.
        image_suffix (str), mask_suffix (str): What follows the name.
        labels (int): Labels are below this, or 255.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('images', 'masks')
    images: str
    masks: str
    image_suffix: str = '.jpg'
    mask_suffix: str = '.png'
    labels: int

    @property
    def folders(self) -> tuple[str, ...]:
        return self.images, self.masks

    def names(self) -> list[str]:
        """Names of the images without suffix."""
        cut = len(self.image_suffix)
        return sorted(
            prefix + entry.name[:-cut]
            for prefix, files in visible_files(self.images)
            for entry in files
            if entry.name.endswith(self.image_suffix)
        )

    def sizes(self) -> list[Size]:
        return self._sizes(len(self.names()))

    def _sizes(self, names: int) -> list[Size]:
        return [Size(self.place, 'entries', names, self.count)]

    def read(self, scored: bool = False) -> Reading[Masked]:
        try:
            names = self.names()
        except (OSError, ValueError) as error:
            return Reading(
                [], [Problem(f'{self.place} cannot be read: {error}')]
            )
        if not names:
            line = (
                f'{self.place} has no image; expected names that end in '
                f'`{self.image_suffix}`'
            )
            return Reading([], [Problem(line)])
        entries = [
            Masked(
                os.path.join(self.images, name + self.image_suffix),
                os.path.join(self.masks, name + self.mask_suffix),
            )
            for name in names
        ]
        lines = missing_files(self.place, [entry.image for entry in entries])
        lines += missing_files(
            self.place, [entry.mask for entry in entries], 'masks'
        )
        return Reading(entries, lines + size_problems(self._sizes(len(names))))

    def open_files(self, entries: Sequence[Masked], every: bool) -> list[Line]:
        there = [
            entry
            for entry in entries
            if os.path.isfile(entry.image) and os.path.isfile(entry.mask)
        ]
        chosen = there if every else spread(there)
        return (
            broken_images((entry.image for entry in chosen), self.place)
            + self.broken_masks(chosen)
            + single_label(
                (entry.mask for entry in [*chosen, *there]), self.place
            )
        )

    def broken_masks(self, entries: Sequence[Masked]) -> list[Line]:
        """Open masks and name the unusable ones, a line for each fault."""
        faults: dict[str, dict[str, str]] = {}
        for entry in entries:
            try:
                shape = image_size(entry.image)[::-1]
            except OSError:  # named with the images
                continue
            try:
                fault = mask_fault(read_mask(entry.mask), shape, self.labels)
            except image_errors() as error:
                fault = MaskFault('masks cannot be decoded', str(error))
            if fault is not None:
                faults.setdefault(fault.kind, {})[entry.mask] = fault.text
        return [
            line
            for what, found in faults.items()
            for line in each(what, found, self.place)
        ]


class VocMaskLayout(MaskLayout):
    """A list of names in a VOC devkit, with images and masks.

    Attributes:
        list_file (str): ``<devkit>/ImageSets/Segmentation/<split>.txt``.
        images (str): ``JPEGImages`` of the devkit when not given.
        masks (str): ``SegmentationClass`` of the devkit when not given;
            ``SegmentationClassAug`` for the list ``aug.txt`` (Hariharan et
            al., ICCV 2011).
        image_suffix, mask_suffix, labels: As in `MaskLayout`.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('list_file', 'images', 'masks')
    list_file: str
    images: str = ''
    masks: str = ''

    @model_validator(mode='before')
    @classmethod
    def _in_devkit(cls, values: Any) -> Any:
        augmented = (
            isinstance(values, dict)
            and os.path.basename(str(values.get('list_file'))) == 'aug.txt'
        )
        return in_devkit(
            values,
            images='JPEGImages',
            masks='SegmentationClass' + 'Aug' * augmented,
        )

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,)

    @property
    def home(self) -> str:
        return os.path.dirname(self.images)

    def names(self) -> list[str]:
        return read_lines(self.list_file)
