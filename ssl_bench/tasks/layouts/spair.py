"""SPair-71k: pairs of images of an object, with key points in both.

Reference: Min et al., SPair-71k, arXiv:1908.10543.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec

from ssl_bench.errors import one_line
from ssl_bench.tasks.layouts.base import Layout, Reading
from ssl_bench.tasks.layouts.lines import (
    Line,
    Problem,
    Size,
    each,
    missing_files,
    size_problems,
    some,
)
from ssl_bench.tasks.layouts.text_lists import list_faults, read_list

Number = int | float
Point = tuple[int, int]


class PairFile(msgspec.Struct):
    """What is read of a pair's file; boxes are x1, y1, x2, y2."""

    src_imname: str
    trg_imname: str
    src_imsize: list[int]
    trg_imsize: list[int]
    category: str
    src_kps: list[tuple[Number, Number]]
    trg_kps: list[tuple[Number, Number]]
    trg_bndbox: tuple[Number, Number, Number, Number]


class PairedImage(NamedTuple):
    """An image of some pairs: its path, (width, height) and category."""

    image: str
    size: tuple[int, int]
    category: str


class Pair(NamedTuple):
    """Two images, and the points of an object that are visible in both.

    Attributes:
        source, target (int): Indices of the images.
        category (str): Of the object.
        source_points, target_points (tuple[Point, ...]): x, y of each point,
            pixels of the image.
        box (tuple): x1, y1, x2, y2 of the target's object, pixels.
    """

    source: int
    target: int
    category: str
    source_points: tuple[Point, ...]
    target_points: tuple[Point, ...]
    box: tuple[Number, Number, Number, Number]


class Paired(NamedTuple):
    """Images, and the pairs whose images are indices of them."""

    images: list[PairedImage]
    pairs: list[Pair]


@dataclass
class PairReading(Reading[PairedImage]):
    """With the pairs.

    Attributes:
        pairs (list[Pair]): In the order of the list; ``entries`` are the
            images in the order in which the pairs name them.
    """

    pairs: list[Pair] = field(default_factory=list)


class SpairLayout(Layout):
    """A split of SPair-71k as its archive unpacks.

    ``count`` is the number of pairs.

    Attributes:
        folder (str): With ``JPEGImages/<category>/<image>``,
            ``PairAnnotation/<split>/<pair>.json`` and
            ``Layout/<list_size>/<split>.txt``, which names a pair in a line:
            ``<number>-<source>-<target>:<category>``.
        split (str): ``trn``, ``val`` or ``test``.
        list_size (str): ``large``; the archive has a ``small`` one, too.
    """

    path_fields: ClassVar[tuple[str, ...]] = ('folder',)
    folder: str
    split: str = 'test'
    list_size: str = 'large'

    @property
    def files(self) -> tuple[str, ...]:
        name = f'{self.split}.txt'
        return (os.path.join(self.folder, 'Layout', self.list_size, name),)

    @property
    def folders(self) -> tuple[str, ...]:
        return (
            os.path.join(self.folder, 'JPEGImages'),
            os.path.join(self.folder, 'PairAnnotation', self.split),
        )

    @property
    def home(self) -> str:
        return self.folder

    def sizes(self) -> list[Size]:
        return self._sizes(len(read_list(self.place)[0]))

    def _sizes(self, pairs: int) -> list[Size]:
        return [Size(self.place, 'pairs', pairs, self.count)]

    def class_order(self) -> list[str]:
        names = read_list(self.place)[0]
        return sorted({name.rpartition(':')[2] for name in names})

    def read(self, scored: bool = False) -> PairReading:
        names, lines = read_list(self.place, 'pair')
        if lines:
            return PairReading([], lines)
        lines = list_faults(names, self.place, scored, 'pairs')
        lines += some(
            'lines are not <number>-<source>-<target>:<category>',
            [name for name in names if not name.rpartition(':')[0]],
            self.place,
        )
        files = [self._pair_file(name) for name in names]
        gone = missing_files(self.place, files, 'pair files')
        if lines or gone:
            return PairReading([], lines + gone)
        found, lines = self._decoded(names, files)
        images, pairs = self._joined(found)
        lines += self._other_sizes(found)
        lines += missing_files(
            self.place, [entry.image for entry in images], 'images'
        )
        lines += size_problems(self._sizes(len(names)))
        return PairReading(images, lines, pairs=pairs)

    def _pair_file(self, name: str) -> str:
        return os.path.join(self.folders[1], f'{name}.json')

    def _decoded(
        self, names: Sequence[str], files: Sequence[str]
    ) -> tuple[dict[str, PairFile], list[Line]]:
        """The pairs that can be used, by path, and what is wrong with others.

        Args:
            names (Sequence[str]): Lines of the list.
            files (Sequence[str]): Of each.
        """
        decode = msgspec.json.Decoder(PairFile).decode
        found: dict[str, PairFile] = {}
        faults: dict[str, dict[str, str]] = defaultdict(dict)
        for name, file in zip(names, files):
            try:
                pair = decode(Path(file).read_bytes())
            except (OSError, ValueError, msgspec.DecodeError) as error:
                faults['pair files cannot be read'][file] = one_line(error)
                continue
            for kind, text in pair_faults(pair, name.rpartition(':')[2]):
                faults[kind].setdefault(file, text)
            found[file] = pair
        bad = {file for some_files in faults.values() for file in some_files}
        lines: list[Line] = [
            Problem(str(line))  # a test takes none of its pairs out
            for what, some_files in faults.items()
            for line in each(what, some_files, self.place)
        ]
        return {f: pair for f, pair in found.items() if f not in bad}, lines

    def _joined(
        self, found: dict[str, PairFile]
    ) -> tuple[list[PairedImage], list[Pair]]:
        """The images, each once, and the pairs."""
        images: dict[str, PairedImage] = {}
        index: dict[str, int] = {}

        def place(category: str, name: str, size: list[int]) -> int:
            path = self._image(category, name)
            if path not in images:
                index[path] = len(images)
                images[path] = PairedImage(path, (size[0], size[1]), category)
            return index[path]

        pairs = [
            Pair(
                place(pair.category, pair.src_imname, pair.src_imsize),
                place(pair.category, pair.trg_imname, pair.trg_imsize),
                pair.category,
                tuple((int(x), int(y)) for x, y in pair.src_kps),
                tuple((int(x), int(y)) for x, y in pair.trg_kps),
                pair.trg_bndbox,
            )
            for pair in found.values()
        ]
        return list(images.values()), pairs

    def _image(self, category: str, name: str) -> str:
        return os.path.join(self.folders[0], category, name)

    def _other_sizes(self, found: dict[str, PairFile]) -> list[Line]:
        """Images to which the pairs give several sizes."""
        sizes = defaultdict(set)
        for pair in found.values():
            for name, size in (
                (pair.src_imname, pair.src_imsize),
                (pair.trg_imname, pair.trg_imsize),
            ):
                sizes[self._image(pair.category, name)].add(tuple(size[:2]))
        return some(
            'images have another size in another pair',
            [path for path, said in sizes.items() if len(said) > 1],
            self.place,
            remedy='Unpack the set again.',
        )


def pair_faults(pair: PairFile, category: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a pair: the kind of fault, and the fault.

    Args:
        pair (PairFile): As it was read.
        category (str): That its line in the list says.
    """
    if pair.category != category:
        yield (
            'pairs have another category in the list',
            f'says {pair.category}, the list {category}',
        )
    if len(pair.src_kps) != len(pair.trg_kps) or not pair.src_kps:
        yield (
            'pairs do not have a target point for each source point',
            f'has {len(pair.src_kps)} and {len(pair.trg_kps)}',
        )
    for end, size, points in (
        ('src', pair.src_imsize, pair.src_kps),
        ('trg', pair.trg_imsize, pair.trg_kps),
    ):
        if len(size) < 2 or min(size[:2]) < 1:
            yield (
                'pairs have no size of an image',
                f'{end}_imsize is {size}, not width, height and channels',
            )
            continue
        for x, y in points:
            if not (0 <= x < size[0] and 0 <= y < size[1]):
                yield (
                    'pairs have a point outside of the image',
                    f'the point {x:g}, {y:g} of {end}_kps, in an image of '
                    f'{size[0]} x {size[1]}',
                )
            elif x != int(x) or y != int(y):
                yield (
                    'pairs have a point between pixels',
                    f'the point {x:g}, {y:g} of {end}_kps; points are whole '
                    'pixels',
                )
    x1, y1, x2, y2 = pair.trg_bndbox
    if x2 <= x1 or y2 <= y1:
        yield (
            'pairs have an empty box',
            f'trg_bndbox is {list(pair.trg_bndbox)}, not x1, y1, x2, y2',
        )
