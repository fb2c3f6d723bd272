"""Lists of images that are kept between runs.

A list is kept with what the system says of every folder it was read from: the
times of the last change, the size and the number of links. It is used again
only while all of that is as it was, and made again otherwise. An image that
is added, removed or renamed changes its folder. One whose content is replaced
does not, and need not: only names are kept, and the content is read from the
file. Of zip, tar, LMDB, Parquet and Arrow files the same is kept of the files.

Not seen are changes on file systems that do not keep the time of a folder. So
lists of FUSE file systems, where that happens, are not kept.
"""

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ssl_bench.data.storage.base import Listed, Stamp, Storage
from ssl_bench.data.storage.names import ImageList, Names
from ssl_bench.environment import CACHE
from ssl_bench.errors import UserError, one_line
from ssl_bench.files import atomic_path

FORM = 1  # of the file; another is passed over
KEPT_FROM = 20_000  # images; fewer are listed in no time
# seconds; a folder that has changed so shortly before it was listed could
# change once more within one tick of its clock
SETTLED = 2.0


def list_folder() -> Path | None:
    """Where lists are kept: in `CACHE`, or else the user's cache folder.

    Returns:
        Path, optional: None where the user has none.
    """
    named = os.environ.get(CACHE)
    if named:
        return Path(named) / 'lists'
    home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return Path(home) / 'ssl_bench/lists' if os.path.isabs(home) else None


def find_images(storage: Storage) -> Listed:
    """The images of a storage, from the list that is kept, where it fits.

    The others and hidden files are counted and not named, where it is kept.

    Args:
        storage (Storage): What to list.

    Raises:
        UserError: It cannot be listed.
    """
    folder = list_folder()
    if folder is None:
        return storage.list()
    digest = hashlib.sha256(json.dumps([FORM, storage.key]).encode())
    path = folder / f'{digest.hexdigest()[:32]}.npz'
    kept = read_list(path)
    if kept is not None and _as_it_was(storage, kept.stamps):
        return kept
    started = time.time()
    listed = storage.list()
    if len(listed.images) < KEPT_FROM:
        return listed
    reason = _unsafe(listed.stamps, started)
    if not reason:
        try:
            write_list(path, listed)
        except UserError as error:
            reason = f'{error} {CACHE} names another place'
    if reason:
        print_log(
            f'the list of {len(listed.images)} images of {storage.root} is '
            f'not kept for the next start: {reason}',
            'current',
            logging.WARNING,
        )
    return listed


def _as_it_was(storage: Storage, stamps: dict[str, Stamp]) -> bool:
    try:
        return storage.stamps(stamps) == stamps
    except OSError:
        return False


def _unsafe(stamps: dict[str, Stamp], started: float) -> str:
    """Why a change would not be seen; empty where it would.

    Args:
        stamps (dict[str, Stamp]): Of what was listed.
        started (float): When that began.
    """
    newest = max(stamps, key=lambda path: stamps[path][:2])
    if max(stamps[newest][:2]) / 1e9 > started - SETTLED:
        return f'{newest} has just changed'
    if min(changed for changed, *_ in stamps.values()) <= 0:
        return 'its file system does not keep the time of a change'
    systems = _file_systems()
    for device in {os.stat(path).st_dev for path in stamps}:
        name = systems.get(f'{os.major(device)}:{os.minor(device)}', '')
        if name.startswith('fuse'):
            return (
                f'it is on a file system ({name}) that may not keep the time '
                'of a change'
            )
    return ''


def _file_systems() -> dict[str, str]:
    """Types of the mounted file systems by device, where Linux tells them."""
    try:
        lines = Path('/proc/self/mountinfo').read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        left, _, right = line.partition(' - ')
        found[left.split()[2]] = right.split()[0]
    return found


def write_list(path: Path, listed: Listed) -> None:
    """Write a list, whole or not at all.

    Raises:
        UserError: It cannot be written.
    """
    images = listed.images
    arrays = dict(text=images.names.text, ends=images.names.ends)
    for name in ('places', 'sizes'):
        if getattr(images, name) is not None:
            arrays[name] = getattr(images, name)
    about = dict(
        arrays=[*arrays],
        stamps=listed.stamps,
        kinds=images.kinds,
        others=images.others,
    )
    arrays['about'] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with atomic_path(path) as part, open(part, 'wb') as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_list(path: Path) -> Listed | None:
    """A list that `write_list` wrote; None where there is no whole one.

    zip's check sums, which numpy's files have, tell a damaged one.
    """
    try:
        with np.load(path) as arrays:
            about: dict[str, Any] = json.loads(arrays['about'].tobytes())
            found = {name: arrays[name] for name in about['arrays']}
        return Listed(
            ImageList(
                Names(found['text'], found['ends']),
                found.get('places'),
                found.get('sizes'),
                about['kinds'],
                about['others'],
            ),
            {name: tuple(row) for name, row in about['stamps'].items()},
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    # a damaged file can raise anything; the list is made again
    except Exception as error:
        print_log(
            f'{path} is passed over: {one_line(error) or repr(error)}',
            'current',
            logging.WARNING,
        )
        return None
