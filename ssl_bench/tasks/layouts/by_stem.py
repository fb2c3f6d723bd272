"""Files that a list names without their ending."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ssl_bench.files import visible_files


def stems(folder: str, endings: Sequence[str]) -> list[str]:
    """Names of the files below a folder, sorted, without their endings.

    Args:
        folder (str): Folders in it are looked into, too.
        endings (Sequence[str]): Of the files, in small letters.

    Raises:
        OSError: It cannot be listed.
    """
    return sorted(
        {
            prefix + os.path.splitext(entry.name)[0]
            for prefix, files in visible_files(folder)
            for entry in files
            if os.path.splitext(entry.name)[1].lower() in endings
        }
    )


def files_of(
    folder: str, names: Iterable[str], endings: Sequence[str]
) -> dict[str, list[str]]:
    """The files of names that have no ending.

    Args:
        folder (str): That the names are relative to.
        names (Iterable[str]): For instance ``day 1/a``.
        endings (Sequence[str]): In small letters; the files' own may be in
            capitals.

    Returns:
        dict[str, list[str]]: By name, the paths, those with the first of the
        endings at the front; without a file, the path with that
        ending.
    """
    there: dict[str, dict[str, list[str]]] = {}
    found = {}
    for name in names:
        parent, stem = os.path.split(name)
        if parent not in there:
            there[parent] = _by_stem(os.path.join(folder, parent), endings)
        files = there[parent].get(stem) or [stem + endings[0]]
        found[name] = [os.path.join(folder, parent, file) for file in files]
    return found


def _by_stem(folder: str, endings: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    try:
        with os.scandir(folder or '.') as entries:
            for entry in entries:
                stem, ending = os.path.splitext(entry.name)
                if ending.lower() in endings and entry.is_file():
                    found[stem].append(entry.name)
    except OSError:
        return {}
    for files in found.values():
        files.sort(key=lambda file: (not file.endswith(endings[0]), file))
    return found
