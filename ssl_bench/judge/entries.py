"""The training images of own data with their classes, and lists of some."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import write_text
from ssl_bench.tasks.own import OwnData, OwnSplit

#: Classes of each image, by the name that lists have.
Labels = Mapping[str, frozenset[int]]


def entries_of(own: OwnData) -> Labels:
    """The training images, and which classes each shows.

    Raises:
        UserError: They cannot be read.
    """
    if own.kind not in READERS:
        raise UserError(
            f'{own.title} ({own.kind}): judge takes class folders only. '
            'Compare weights on these data with ssl-bench transfer.'
        )
    return READERS[own.kind](own)


def write_part(
    own: OwnData, labels: Labels, names: Sequence[str], path: Path
) -> OwnSplit:
    """Some training images as a split; its list is written if it is missing.

    Args:
        own (OwnData): All of them.
        labels (Mapping): As `entries_of`.
        names (Sequence[str]): The images.
        path (Path): Of the list, without an ending.
    """
    lines = WRITERS[own.kind](labels, names)
    file = path.with_name(f'{path.name}.txt')
    keep_text(file, ''.join(f'{line}\n' for line in lines))
    return own.train.model_copy(update={'names': str(file)})


def keep_text(path: Path, text: str) -> None:
    """Write a file, unless it is there already with the same content."""
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)


def _of_folders(own: OwnData) -> Labels:
    entries = own.dataset().train[0].read().entries
    return {
        _name(own, entry.image): frozenset([entry.label]) for entry in entries
    }


def _name(own: OwnData, image: str) -> str:
    """An image as lists name it."""
    return Path(os.path.relpath(image, own.train.images)).as_posix()


def _folder_lines(labels: Labels, names: Sequence[str]) -> list[str]:
    return [f'{name} {next(iter(labels[name]))}' for name in names]


READERS: dict[str, Callable[[OwnData], Labels]] = dict(folders=_of_folders)
WRITERS: dict[str, Callable[[Labels, Sequence[str]], list[str]]] = dict(
    folders=_folder_lines
)
