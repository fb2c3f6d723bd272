"""Lists of a few per cent of an image folder's labels."""

import json
import random
from pathlib import Path

from ssl_bench.errors import UserError
from ssl_bench.files import keep_existing, sha256, write_text
from ssl_bench.tasks.layouts import FolderLayout
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.text_lists import read_list


def stratified_list(
    folder: str | Path, percent: float, seed: int = 0
) -> list[str]:
    """Draw the same share of every class, at least one image of each.

    The draw of a class depends on the seed, its name and its file names
    only, so that lists of several percentages are nested.

    Args:
        folder (str | Path): ``<class>/<image>``.
        percent (float): Above 0, at most 100.
        seed (int): Of the draw.

    Returns:
        list[str]: Lines of ``class/image label``, sorted.

    Raises:
        UserError: No class folders, an empty one, or another percentage.
    """
    if not 0 < percent <= 100:
        raise UserError(
            f'a subset has more than 0 and at most 100 per cent, '
            f'got {percent:g}.'
        )
    layout = FolderLayout(folder=str(folder))
    images = layout.images()
    empty = [name for name, names in images.items() if not names]
    if empty:
        raise UserError(f'{folder}/{empty[0]} holds no image.')
    labels, lines = layout.labels(images), []
    for name, names in images.items():
        chosen = list(names)
        random.Random(f'{seed} {name}').shuffle(chosen)
        count = max(1, round(len(chosen) * percent / 100))
        lines += [f'{name}/{path} {labels[name]}' for path in chosen[:count]]
    return sorted(lines)


def write_subset(
    folder: str | Path,
    percent: float,
    path: str | Path,
    seed: int = 0,
    force: bool = False,
) -> int:
    """Write `stratified_list` to a file; return the number of images.

    A second file next to it, with ``.json`` added to its name, says how the
    list was drawn.

    Raises:
        UserError: As `stratified_list`; or another file is there, and not
            ``force``.
    """
    lines = stratified_list(folder, percent, seed)
    text = ''.join(f'{line}\n' for line in lines)
    keep_existing(path, force, text)
    write_text(path, text)
    write_text(
        f'{path}.json',
        json.dumps(dict(percent=percent, seed=seed, sha256=sha256(Path(path))))
        + '\n',
    )
    return len(lines)


def origin_of(path: str | Path) -> str:
    """Which list of labels a run reads: one we drew, or one as given.

    Raises:
        UserError: It cannot be read.
    """
    path = Path(path)
    digest, about = sha256(path), Path(f'{path}.json')
    lines, problems = read_list(str(path))
    refuse(problems)
    count = len(lines)
    text = f'labels of {path.name}: {count} images, '
    if about.is_file():
        drawn = json.loads(about.read_text())
        if drawn.get('sha256') == digest:
            return text + (
                f'{drawn["percent"]:g}% of each class drawn with '
                f'seed {drawn["seed"]}'
            )
    return text + f'a list as given, SHA-256 {digest[:12]}'
