"""Images and masks of any endings, paired by their names."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ssl_bench.errors import one_line
from ssl_bench.files import IMAGE_ENDINGS, PILLOW_ENDINGS, visible_files
from ssl_bench.tasks.layouts.base import Reading
from ssl_bench.tasks.layouts.lines import Line, Problem, size_problems, some
from ssl_bench.tasks.layouts.masks import Masked, MaskLayout
from ssl_bench.tasks.layouts.text_lists import list_faults, read_list

if TYPE_CHECKING:
    from typing_extensions import Self

SEPARATORS = '_-. '  # where the word that all names end in can begin


class Tails(NamedTuple):
    """What all names of images, and of masks, end in: ``_mask``, or ''."""

    images: str
    masks: str


class PairedMaskLayout(MaskLayout):
    """Images and masks in two folders, or in folders below them.

    A mask has the name of its image: the path below the folder, without the
    ending. A word that all masks, or all images, end in is left out, as in
    ``street/7.jpg`` and ``street/7_mask.png``.

    Attributes:
        images, masks (str): The folders.
        list_file (str): Names of the images that are taken, one in a line;
            all images when empty.
        labels (int): As in `MaskLayout`.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('images', 'masks', 'list_file')
    list_file: str = ''

    @property
    def files(self) -> tuple[str, ...]:
        return (self.list_file,) if self.list_file else ()

    def at(self, root: str | Path) -> 'Self':
        found = super().at(root)
        if self.list_file:
            return found
        return found.model_copy(update=dict(list_file=''))

    def names(self) -> tuple[list[str], list[Line]]:
        pairs, lines = self.pairs()
        if not self.list_file:
            return sorted(pairs), lines
        names, faults = read_list(self.list_file)
        strange = [name for name in names if name not in pairs]
        faults = faults or some(
            'lines name no image that has a mask',
            strange,
            self.list_file,
            remedy=f'A line is a path below {self.images}, without its '
            'ending.',
        )
        # of the folders only what the list needs must be there
        return ([] if faults else names), faults or ([] if names else lines)

    def read(self, scored: bool = False) -> Reading[Masked]:
        try:
            names, lines = self.names()
            pairs = self.pairs()[0] if names else {}
        except (OSError, ValueError) as error:
            line = f'{self.place} cannot be read: {one_line(error)}'
            return Reading([], [Problem(line)])
        entries = [pairs[name] for name in names]
        if self.list_file:
            lines = lines + list_faults(names, self.list_file, scored)
        return Reading(entries, lines + size_problems(self._sizes(len(names))))

    def pairs(self) -> tuple[dict[str, Masked], list[Line]]:
        """Each image that has a mask, by its name, and what is wrong."""
        images = _by_name(self.images, PILLOW_ENDINGS)
        masks = _by_name(self.masks, IMAGE_ENDINGS)
        for found, folder, what in (
            (images, self.images, 'image'),
            (masks, self.masks, 'mask, expected PNG files'),
        ):
            if not found:
                return {}, [Problem(f'{folder} holds no {what}.')]
        twice = [
            line
            for found, folder, what in (
                (images, self.images, 'names have several images'),
                (masks, self.masks, 'names have several masks'),
            )
            for line in some(
                what,
                [', '.join(files) for files in found.values() if files[1:]],
                folder,
                remedy='Keep one of them.',
            )
        ]
        if twice:
            return {}, twice
        return self._joined(
            {name: files[0] for name, files in images.items()},
            {name: files[0] for name, files in masks.items()},
        )

    def _joined(
        self, images: Mapping[str, str], masks: Mapping[str, str]
    ) -> tuple[dict[str, Masked], list[Line]]:
        """`pairs` of files by their names."""
        tails = find_tails(images, masks)
        mask_of = {_without(name, tails.masks): name for name in masks}
        pairs = {
            name: Masked(
                os.path.join(self.images, image),
                os.path.join(self.masks, masks[mask_of[bare]]),
            )
            for name, image in images.items()
            for bare in [_without(name, tails.images)]
            if bare in mask_of
        }
        if not pairs:
            image, mask = min(images.values()), min(masks.values())
            return {}, [
                Problem(
                    f'no mask of {self.masks} has the name of an image of '
                    f'{self.images} ({mask} and {image} are the first). Name '
                    'masks as their images; all may end in one more word, as '
                    'in a_mask.png.'
                )
            ]
        bare_images = {_without(name, tails.images) for name in images}
        lines = some(
            'images have no mask',
            sorted(images[name] for name in {*images} - {*pairs}),
            self.images,
            remedy=f'Put their masks into {self.masks}, or take them out.',
        )
        lines += some(
            'masks have no image',
            sorted(
                masks[name]
                for bare, name in mask_of.items()
                if bare not in bare_images
            ),
            self.masks,
            remedy=f'Put their images into {self.images}, or take them out.',
        )
        return pairs, lines


def find_tails(images: Mapping[str, str], masks: Mapping[str, str]) -> Tails:
    """The words that names end in, with which most images have a mask.

    Args:
        images, masks (Mapping): Their keys are names without endings.

    Returns:
        Tails: Both empty where any image has the name of a mask.
    """
    best, most = Tails('', ''), len({*images} & {*masks})
    if most:
        return best
    for of_masks in _endings(masks):
        there = {_without(name, of_masks) for name in masks}
        for of_images in _endings(images):
            bare = {_without(name, of_images) for name in images}
            if len(bare & there) > most:
                best, most = Tails(of_images, of_masks), len(bare & there)
    return best


def _endings(names: Mapping[str, str]) -> Iterator[str]:
    """'' and the words that all names end in, the shortest first."""
    backwards = [name.rpartition('/')[2][::-1] for name in names]
    shared = os.path.commonprefix(backwards)[::-1]
    yield ''
    for place in reversed(range(len(shared))):
        if shared[place] in SEPARATORS:
            yield shared[place:]


def _without(name: str, tail: str) -> str:
    return name.removesuffix(tail)


def _by_name(folder: str, endings: tuple[str, ...]) -> dict[str, list[str]]:
    """Files of a folder and of those below it, by name without ending."""
    found: dict[str, list[str]] = {}
    for prefix, entries in visible_files(folder):
        for file in sorted(entry.name for entry in entries):
            if file.lower().endswith(endings):
                stem = prefix + os.path.splitext(file)[0]
                found.setdefault(stem, []).append(prefix + file)
    return found
