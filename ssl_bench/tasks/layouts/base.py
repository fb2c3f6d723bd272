"""What every layout does: list its images, open them, name the problems."""

import gc
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
)

from pydantic import BaseModel, ConfigDict

from ssl_bench.tasks.layouts.lines import Line, Note, Size, refuse
from ssl_bench.tasks.layouts.opening import broken_images, other_sizes, spread

if TYPE_CHECKING:
    from typing_extensions import Self


class Listed(Protocol):
    """An entry of a list of images.

    An entry whose annotation says how large the image is has a ``size``,
    too: (width, height), or None.
    """

    @property
    def image(self) -> str:
        """Path of the image file."""


class Labelled(NamedTuple):
    """An image and its class."""

    image: str
    label: int


Entry = TypeVar('Entry', bound=Listed, covariant=True)


@dataclass
class Reading(Generic[Entry]):
    """What reading a layout gave.

    Attributes:
        entries (Sequence): The images, with label, objects or mask.
        lines (list[Line]): Problems, and notes on what is left out.
        left_out (Counter[str]): Annotations that loaders skip, by reason.
    """

    entries: Sequence[Entry]
    lines: list[Line] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def notes(self) -> list[Line]:
        """What a record says of the data."""
        return [line for line in self.lines if isinstance(line, Note)]

    def refuse(self) -> None:
        """Stop when there is a problem.

        Raises:
            UserError: As `refuse`.
        """
        refuse(self.lines)


class Layout(BaseModel):
    """One list of images as it is on disk, for training or for a test.

    Everything that reads a data set uses these classes: the loaders of
    training and test, ``ssl-bench data check``, the fingerprint, and the
    check before a run. A layout in the table of data sets has paths relative
    to the data root; `at` gives the same layout with full paths.

    Attributes:
        count (int, optional): Images that the published set has. Another
            number is another data set: its results are not compared with
            published ones.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    path_fields: ClassVar[tuple[str, ...]] = ()  # fields that are paths
    count: int | None = None

    def at(self, root: str | Path) -> 'Self':
        """The same layout below a data root."""
        joined = {
            name: _joined(root, getattr(self, name))
            for name in self.path_fields
        }
        return self.model_copy(update=joined)

    @property
    def files(self) -> tuple[str, ...]:
        """Lists and annotation files that must be there."""
        return ()

    @property
    @abstractmethod
    def folders(self) -> tuple[str, ...]:
        """Folders that must be there, those of the images first."""

    @property
    def home(self) -> str:
        """Folder of the whole set, where one data set has several."""
        return ''

    @property
    def place(self) -> str:
        """What messages name: the list, or the folder."""
        return (self.files + self.folders)[0]

    @property
    def sized(self) -> bool:
        """Whether the size of the published set is known."""
        return self.count is not None

    @abstractmethod
    def sizes(self) -> list[Size]:
        """Count what is on disk, without opening images."""

    def other_classes(self) -> list[str]:
        """Classes on disk that the published set does not have, sorted."""
        return []

    def class_order(self) -> list[str]:
        """Names of the classes in the order of the labels.

        Empty where the files do not say it.

        Raises:
            OSError: They cannot be listed.
        """
        return []

    @abstractmethod
    def read(self, scored: bool = False) -> Reading[Any]:
        """List the images with what belongs to them; open no image.

        Args:
            scored (bool): The set is a test set: what scoring cannot take
                is a problem, where training leaves it out.
        """

    def check(self, scored: bool = False, every: bool = False) -> list[Line]:
        """Read, and open some images.

        Args:
            scored (bool): As for `read`.
            every (bool): Open every image, and every mask.
        """
        reading = self.read(scored)
        return reading.lines + self.look_into(reading.entries, scored, every)

    def look_into(
        self, entries: Sequence[Any], scored: bool, every: bool
    ) -> list[Line]:
        """Open images, and hold their sizes against their annotations.

        Of a test set all sizes are held: a run would stop at the first that
        differs, after its training.

        Args:
            entries (Sequence): As `Listed`.
            scored, every (bool): As for `check`.
        """
        sized = entries if scored or every else spread(entries)
        return self.open_files(entries, every) + other_sizes(
            ((entry.image, getattr(entry, 'size', None)) for entry in sized),
            self.place,
        )

    def open_files(self, entries: Sequence[Any], every: bool) -> list[Line]:
        """Say which images do not decode, of a few or of all."""
        there = [entry.image for entry in entries]
        return broken_images(there if every else spread(there), self.place)


def _joined(root: str | Path, path: Any) -> Any:
    if isinstance(path, tuple):
        return tuple(os.path.join(root, each) for each in path)
    return os.path.join(root, path)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """For code that makes millions of objects and drops them at the end.

    Python would walk over all of them again and again, for half of the time
    that reading COCO's annotations takes; and once more after this block,
    over those that are still there.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
