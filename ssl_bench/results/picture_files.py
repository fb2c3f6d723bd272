"""Files that hold pictures: their kind and owner, and a fair order."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ssl_bench.results.owners import Owner, Owners, folders_of
from ssl_bench.results.record import PathLike
from ssl_bench.sheet_file import PREDICTIONS, VIEWS

OTHER = 'other'
# Names of pictures that the page shows; a run may have thousands.
NAMES = {
    VIEWS: re.compile(r'contact|views?', re.IGNORECASE),
    PREDICTIONS: re.compile(
        r'detections?|predictions?|segmentations?|masks?', re.IGNORECASE
    ),
    OTHER: re.compile(r'sheet|examples?|grid', re.IGNORECASE),
}
TITLES = {VIEWS: 'Views', PREDICTIONS: 'Predictions', OTHER: 'Other pictures'}
ENDINGS = ('.png', '.jpg', '.jpeg', '.webp')


class PictureFile(NamedTuple):
    """A picture before it is read."""

    path: str
    kind: str
    owner: Owner

    @property
    def what(self) -> str:
        """Its name as words."""
        stem = os.path.splitext(os.path.basename(self.path))[0]
        return re.sub(r'[_-]+', ' ', stem)

    @property
    def cell(self) -> tuple[str, ...]:
        """Pictures of one cell differ in their seed only."""
        what = self.what if self.kind == OTHER else ''
        return self.owner.task, self.owner.method or self.path, what

    @property
    def order(self) -> tuple[int, str]:
        """Within a cell: by seed."""
        seed = self.owner.seed
        return -1 if seed is None else seed, self.path


def picture_files(
    dirs: Iterable[PathLike], owners: Owners
) -> list[PictureFile]:
    """Pictures by their names, in the order of their paths."""
    found = []
    for folder, names in folders_of(dirs):
        for name in names:
            stem, ending = os.path.splitext(name)
            kind = next((k for k, n in NAMES.items() if n.search(stem)), None)
            if kind is None or ending.lower() not in ENDINGS:
                continue
            owner = owners.of(folder)
            if not owner.method:  # views_CONFIG.png next to the runs
                owner = owners.of_config(stem.partition('_')[2]) or owner
            found.append(PictureFile(os.path.join(folder, name), kind, owner))
    return found


def in_turns(
    files: Sequence[PictureFile], rank: dict[str, int]
) -> list[PictureFile]:
    """The first seed of each cell; tasks and methods take turns."""
    cells: dict[tuple[str, ...], PictureFile] = {}
    for file in sorted(files, key=lambda file: file.order):
        cells.setdefault(file.cell, file)
    own: dict[str, list[PictureFile]] = {}
    for file in cells.values():
        own.setdefault(file.owner.task, []).append(file)
    turns = []
    for members in own.values():
        members.sort(
            key=lambda f: (rank.get(f.owner.name, len(rank)), f.order)
        )
        turns += list(enumerate(members))
    return [file for _, file in sorted(turns, key=lambda pair: pair[0])]
