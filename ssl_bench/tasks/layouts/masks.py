"""Segmentation sets: each image has a mask of labels of its size."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import model_validator

from ssl_bench.errors import one_line
from ssl_bench.files import IMAGE_ENDINGS, visible_files
from ssl_bench.tasks.layouts.base import Layout, Reading
from ssl_bench.tasks.layouts.lines import (
    Line,
    Note,
    Problem,
    Size,
    each,
    missing_files,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.opening import image_size, spread, turned_images
from ssl_bench.tasks.layouts.text_lists import list_faults, read_list
from ssl_bench.tasks.layouts.unusable import UnusableLabels
from ssl_bench.tasks.layouts.voc import in_devkit

if TYPE_CHECKING:
    import numpy as np

IGNORED = 255  # label of pixels that do not count


class Masked(NamedTuple):
    """An image and its mask."""

    image: str
    mask: str


BEYOND = 'masks have a label beyond the classes'
IGNORED_ONLY = 'masks have ignored pixels only'
CHANNELS = ('1', 'L', 'P', 'I')  # modes with a whole number for each pixel
LOSSY = ('JPEG', 'MPO', 'JPEG2000', 'WEBP', 'AVIF')  # they change labels


def read_mask(path: str) -> 'np.ndarray[Any, Any]':
    """The labels of a mask file, the indices of a palette image.

    Returns:
        np.ndarray: (H, W) uint8.

    Raises:
        UnusableLabels: It does not decode, is not one label from 0 to 255 for
            each pixel, or ignores all pixels.
    """
    import numpy as np

    from ssl_bench.pixels import opened

    try:
        # at once: Pillow reads a file in many small parts
        with open(path, 'rb', buffering=0) as file:
            content = file.read()
        with opened(content) as mask:
            if mask.format in LOSSY:
                raise UnusableLabels(
                    'masks are in a format that changes labels',
                    f'is a {mask.format} file, which changes labels. Write '
                    'PNG from the first source',
                )
            if mask.mode.split(';')[0] not in CHANNELS:
                raise UnusableLabels(
                    'masks have colours or fractions instead of labels',
                    f'has the mode {mask.mode}, not one label for each pixel. '
                    'Write class numbers as an 8-bit grey or palette image',
                )
            labels = np.asarray(mask)
    except OSError as error:
        raise UnusableLabels('masks cannot be decoded', str(error)) from error
    if labels.dtype.itemsize > 1:  # casting them would be modulo 256
        for label in (labels.max(initial=0), labels.min(initial=0)):
            if not 0 <= label <= IGNORED:
                raise UnusableLabels(
                    BEYOND,
                    f'has the label {label}; labels are numbers of classes, '
                    f'and {IGNORED} is for what is ignored',
                )
    if labels.min(initial=IGNORED) == IGNORED:
        raise UnusableLabels(
            IGNORED_ONLY,
            f'has no other label than {IGNORED}, which is ignored',
        )
    return labels.astype(np.uint8)


def check_mask(
    mask: 'np.ndarray[Any, Any]', shape: Sequence[int], classes: int
) -> None:
    """Does a mask fit its image and the classes?

    Args:
        mask (np.ndarray): Labels, (H, W) of its image.
        shape (Sequence[int]): (H, W) of the image.
        classes (int): Labels are below this, or 255.

    Raises:
        UnusableLabels: Says what does not fit.
    """
    if mask.shape != tuple(shape):
        raise UnusableLabels(
            'masks are not as large as their image',
            f'is {mask.shape}, its image {tuple(shape)} (height, width); '
            'resize the mask by the nearest pixel',
        )
    beyond = mask[(mask >= classes) & (mask != IGNORED)]
    if beyond.size:
        raise UnusableLabels(
            BEYOND,
            f'has the label {beyond.max()}; this task knows 0 to '
            f'{classes - 1}, and {IGNORED} for what is ignored',
        )


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
        except UnusableLabels:
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

    def names(self) -> tuple[list[str], list[Line]]:
        """Names of the images without suffix, and what to say of them."""
        files = [
            prefix + entry.name
            for prefix, entries in visible_files(self.images)
            for entry in entries
        ]
        suffix = self.image_suffix
        found = [name for name in files if name.endswith(suffix)]
        others = [
            name
            for name in sorted({*files} - {*found})
            if name.lower().endswith(IMAGE_ENDINGS)
        ]
        if not found:
            line = f'{self.images} has no image; expected names that end in '
            return [], [Problem(f'{line}`{suffix}`')]
        what = f'images do not end in `{suffix}` (left out)'
        return (
            sorted(name[: -len(suffix) or None] for name in found),
            some(what, others, self.images, Note),
        )

    def sizes(self) -> list[Size]:
        return self._sizes(len(self.names()[0]))

    def _sizes(self, names: int) -> list[Size]:
        return [Size(self.place, 'entries', names, self.count)]

    def read(self, scored: bool = False) -> Reading[Masked]:
        try:
            names, lines = self.names()
        except (OSError, ValueError) as error:
            line = f'{self.place} cannot be read: {one_line(error)}'
            return Reading([], [Problem(line)])
        if not names:
            return Reading([], lines)
        entries = [
            Masked(
                os.path.join(self.images, name + self.image_suffix),
                os.path.join(self.masks, name + self.mask_suffix),
            )
            for name in names
        ]
        lines = lines + list_faults(names, self.place, scored)
        lines += missing_files(self.place, [entry.image for entry in entries])
        lines += missing_files(
            self.place, [entry.mask for entry in entries], 'masks'
        )
        return Reading(entries, lines + size_problems(self._sizes(len(names))))

    def look_into(
        self, entries: Sequence[Masked], scored: bool, every: bool
    ) -> list[Line]:
        """As of every layout, and masks: all of a test set.

        A run would stop at the first that is unusable, after its training.
        """
        there = [
            entry
            for entry in entries
            if os.path.isfile(entry.image) and os.path.isfile(entry.mask)
        ]
        chosen = there if scored or every else spread(there)
        return (
            self.open_files(there, every)
            + self.broken_masks(chosen)
            + turned_images((entry.image for entry in chosen), self.place)
            + single_label(
                (entry.mask for entry in [*chosen, *there]), self.place
            )
        )

    def broken_masks(self, entries: Sequence[Masked]) -> list[Line]:
        """Open masks and name the unusable ones, a line for each fault."""
        faults = self.mask_faults(entries)
        bad = sum(map(len, faults.values()))
        return [
            line
            for what, found in faults.items()
            for line in each(what, found, self.place, bad == len(entries))
        ]

    def mask_faults(
        self, entries: Sequence[Masked]
    ) -> dict[str, dict[str, str]]:
        """For each kind of fault, the masks that have it and the words."""
        faults: dict[str, dict[str, str]] = {}
        for entry in entries:
            try:
                mask = read_mask(entry.mask)
                shape = image_size(entry.image)[::-1]
                check_mask(mask, shape, self.labels)
            except UnusableLabels as fault:
                faults.setdefault(fault.kind, {})[entry.mask] = fault.text
            except OSError:  # named with the images
                continue
        return faults


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

    def names(self) -> tuple[list[str], list[Line]]:
        return read_list(self.list_file)
