"""Many names in little memory: one array of text, one of places in it."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssl_bench.files import count_endings


class Names(Sequence[str]):
    """Texts that lie one after the other, each with a line break.

    ImageNet's 1.28 million take 45 MB; as a list of strings they take 110,
    and every process that reads them gets pages of its own.

    Args:
        text (np.ndarray): (B,) uint8, UTF-8. What a file system gives that
            is not UTF-8 are surrogates, encoded as every other character, so
            that texts and their bytes have one order.
        ends (np.ndarray): (N,) where each ends, its line break included.
    """

    def __init__(self, text: np.ndarray, ends: np.ndarray) -> None:
        self.text, self.ends = text, ends

    @classmethod
    def of(cls, names: Iterable[str]) -> 'Names':
        """Pack names; they are read once, in their order."""
        text, ends = bytearray(), array('q')
        for name in names:
            text += name.encode('utf-8', 'surrogatepass') + b'\n'
            ends.append(len(text))
        small = len(text) < 2**32
        return cls(
            np.frombuffer(bytes(text), np.uint8),
            np.array(ends, np.uint32 if small else np.int64),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f'name {index} of {len(self)}')
        start = int(self.ends[index - 1]) if index else 0
        part = self.text[start : int(self.ends[index]) - 1]
        return part.tobytes().decode('utf-8', 'surrogatepass')

    def __iter__(self) -> Iterator[str]:
        text, start = self.text.data, 0
        for first in range(0, len(self), 10_000):  # few numbers at a time
            for end in self.ends[first : first + 10_000].tolist():
                yield str(text[start : end - 1], 'utf-8', 'surrogatepass')
                start = end

    def fingerprint(self) -> str:
        """SHA-256 of all names, a line each."""
        return hashlib.sha256(self.text.data).hexdigest()


@dataclass
class ImageList:
    """The images of a set, in the order of their names.

    Attributes:
        names (Names): Below the root of the set.
        places (np.ndarray, optional): (N, 3) int64, where each image is in
            the files of a container; the first number is that of the file.
        sizes (np.ndarray, optional): (F,) int64, bytes of each of those files.
        kinds (str): How many there are of each ending.
        others (str): How many files of other endings are left out.
    """

    names: Names
    places: np.ndarray | None = None
    sizes: np.ndarray | None = None
    kinds: str = ''
    others: str = ''

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: Sequence[int] | np.ndarray) -> 'ImageList':
        """Those at the given numbers, in the given order."""
        return ImageList(
            Names.of(self.names[int(index)] for index in indices),
            None if self.places is None else self.places[indices],
            self.sizes,
            count_endings(self.names[int(index)] for index in indices),
            self.others,
        )
