"""What differs between kinds of own data: one `Kind` for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.files import write_text
from ssl_bench.judge.settings import LARGEST, Mode
from ssl_bench.tasks.own import OwnData, OwnSplit

#: Classes of each image, by the name that lists have.
Labels = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Kind:
    """How data of one kind are read, divided, and trained on.

    Args:
        what (str): The labels, for people.
        modes (Mapping[str, Mode]): By their names.
        read (Callable): The training images, and which classes each shows.
            Raises a `UserError` if they cannot be read.
        write (Callable): Some training images as a split; gets all of them
            (`OwnData`, `Labels`), the names, and the path of the list without
            an ending. A list that is there with the same content stays.
        overrides (Callable): Settings of one run, over those of its config;
            gets the mode, the images to train on, the learning rate, the
            side of a crop, and the share of the length.
        largest (int): Side of a crop at most, pixels.
    """

    what: str
    modes: Mapping[str, Mode]
    read: Callable[[OwnData], Labels]
    write: Callable[[OwnData, Labels, Sequence[str], Path], OwnSplit]
    overrides: Callable[[Mode, int, float, int, float], dict[str, Any]]
    largest: int = LARGEST


def write_list(own: OwnData, lines: Sequence[str], path: Path) -> OwnSplit:
    """A list of training images as a split of them.

    Args:
        own (OwnData): All images.
        lines (Sequence[str]): As `OwnSplit.names` has them.
        path (Path): Of the list, without an ending.
    """
    file = path.with_name(f'{path.name}.txt')
    keep_text(file, ''.join(f'{line}\n' for line in lines))
    return own.train.model_copy(update={'names': str(file)})


def keep_text(path: Path, text: str) -> None:
    """Write a file, unless it is there already with the same content."""
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
