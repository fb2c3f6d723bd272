"""Annotation files of COCO and LVIS: boxes and masks of objects."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ssl_bench.files import IMAGE_ENDINGS, visible_files
from ssl_bench.tasks.layouts.base import Layout, Reading, no_garbage_collection
from ssl_bench.tasks.layouts.lines import (
    FIX_ENTRIES,
    Line,
    Note,
    Problem,
    Size,
    missing_files,
    size_problems,
    some,
)

if TYPE_CHECKING:
    from ssl_bench.tasks.layouts.annotations import Annotations
    from ssl_bench.tasks.layouts.json_rows import Image


class CocoImage(NamedTuple):
    """An image, and what the annotation file says of its size."""

    image: str
    size: tuple[int, int]


@dataclass
class CocoReading(Reading[CocoImage]):
    """With the objects.

    Attributes:
        annotations (Annotations, optional): None when the file cannot be
            read.
        usable (ndarray, optional): (N,) bool, the objects that loaders keep.
        remarks (list[str]): What a record should say that is not left out.
    """

    annotations: 'Annotations | None' = None
    usable: Any = None
    remarks: list[str] = field(default_factory=list)


class CocoLayout(Layout):
    """An annotation file of COCO and its folder of images.

    Attributes:
        annotations (str): JSON file.
        images (str): Folder that file names are relative to.
        masks (bool): Whether objects need one; without, only boxes are used.
        names (tuple[str, ...]): Classes of the task, which must be among the
            file's; any when not given.
        whole (bool): Images that the file does not name are noted, since the
            folder is of this set alone.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('annotations', 'images')
    kind: ClassVar[str] = 'COCO'
    # whether the scorer passes over objects marked `ignore`
    heeds_marks: ClassVar[bool] = False
    annotations: str
    images: str
    masks: bool = True
    names: tuple[str, ...] = ()
    whole: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        return (self.annotations,)

    @property
    def folders(self) -> tuple[str, ...]:
        return (self.images,)

    @no_garbage_collection()
    def sizes(self) -> list[Size]:
        from ssl_bench.tasks.layouts.annotations import count_images

        return self._sizes(count_images(self.annotations))

    def _sizes(self, images: int) -> list[Size]:
        return [Size(self.annotations, 'entries', images, self.count)]

    def file_name(self, row: 'Image') -> str | None:
        """Path of an image, relative to `images`."""
        return row.file_name

    def _lines_of_test(self, found: 'Annotations') -> list[Line]:
        """What else the scorer needs."""
        return []

    @no_garbage_collection()
    def read(self, scored: bool = False) -> CocoReading:
        from ssl_bench.tasks.layouts.annotations import read_annotations
        from ssl_bench.tasks.layouts.objects import judge

        try:
            found = read_annotations(self.annotations, self.file_name)
        except (OSError, ValueError) as error:
            line = (
                f'{self.annotations} is not a {self.kind} annotation file: '
                f'{error}'
            )
            return CocoReading([], [Problem(line)])
        entries = self._entries(found)
        judged = judge(
            found, self.annotations, scored, self.heeds_marks, self.masks
        )
        lines = missing_files(
            self.annotations, [entry.image for entry in entries]
        )
        unlabelled = self._unlabelled(found)
        return CocoReading(
            entries,
            lines
            + judged.lines
            + self._other_classes(found)
            + unlabelled
            + (self._lines_of_test(found) if scored else [])
            + size_problems(self._sizes(len(entries))),
            judged.left_out,
            found,
            judged.usable,
            judged.remarks + [str(line) for line in unlabelled],
        )

    def _other_classes(self, found: 'Annotations') -> list[Line]:
        from ssl_bench.tasks.layouts.objects import other_classes

        names = [row.name for row in found.categories]
        return other_classes(names, self.names, self.annotations)

    def _unlabelled(self, found: 'Annotations') -> list[Line]:
        """Images of the folder that the file does not name."""
        if not self.whole:
            return []
        named = {
            found.images.name(row) for row in range(len(found.images.ids))
        }
        others = sorted(
            {
                prefix + entry.name
                for prefix, files in visible_files(self.images)
                for entry in files
                if entry.name.lower().endswith(IMAGE_ENDINGS)
            }
            - named
        )
        what = 'images are not in the annotation file (not used)'
        return some(what, others, self.images, Note)

    def _entries(self, found: 'Annotations') -> list[CocoImage]:
        images = found.images
        return [
            CocoImage(os.path.join(self.images, images.name(row)), size)
            for row, size in enumerate(
                zip(images.widths.tolist(), images.heights.tolist())
            )
        ]


class LvisLayout(CocoLayout):
    """An annotation file of LVIS, whose images are in COCO's folders.

    Its ``coco_url`` names the folder too: images of LVIS's validation set
    are in COCO's ``train2017``.

    Attributes:
        annotations (str): JSON file.
        images (str): Folder above ``train2017`` and ``val2017``.
        masks, names: As in `CocoLayout`.
        holds (tuple[str, ...]): Folders of images that must be there.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('annotations', 'images', 'holds')
    kind: ClassVar[str] = 'LVIS'
    heeds_marks: ClassVar[bool] = True
    holds: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        return self.holds or (self.images,)

    def file_name(self, row: 'Image') -> str | None:
        return row.coco_url and '/'.join(row.coco_url.split('/')[-2:])

    def _lines_of_test(self, found: 'Annotations') -> list[Line]:
        images = found.images
        lines = some(
            'images without `neg_category_ids` or '
            '`not_exhaustive_category_ids`',
            [f'id {key}' for key in images.ids[~images.told].tolist()],
            self.annotations,
            remedy='LVIS is scored by them. Write them, if only as [].',
        )
        return lines + some(
            'categories whose `frequency` is not r, c or f',
            [
                row.name
                for row in found.categories
                if row.frequency not in ('r', 'c', 'f')
            ],
            self.annotations,
            remedy=FIX_ENTRIES,
        )
