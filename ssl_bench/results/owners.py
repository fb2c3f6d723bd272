"""Which run, method and seed a file below the runs belongs to."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePath

from ssl_bench.results.folders import Folders
from ssl_bench.results.record import PathLike
from ssl_bench.results.table import MethodId, Row

MAX_ID = 400  # characters
SEED = re.compile(r'(?P<config>.+)_seed(?P<seed>\d{1,18})')


def identity(method_id: MethodId, trained: str) -> str:
    """One text for a method, its backbone, and what was trained of it.

    It is ``id`` in the page's rows.
    """
    text = json.dumps([*method_id, trained])
    return text if len(text) <= MAX_ID else sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Owner:
    """Of a file.

    Args:
        task (str): Of the run; empty for a pretraining.
        method (str): As `identity`; empty when it is not known.
        name (str): The method's.
        seed (int, optional): Of the run.
    """

    task: str = ''
    method: str = ''
    name: str = ''
    seed: int | None = None


class Owners:
    """Finds the owner of a file by its folder.

    Args:
        rows (Iterable[Row]): Of the board; the first that fits counts.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.runs: dict[str, Owner] = {}
        self.configs: dict[str, Owner] = {}
        for row in rows:
            method = identity(row.method_id, row.trained)
            for item in row.records:
                folder = os.path.realpath(os.path.dirname(item.path) or '.')
                seed = item.record['seed']
                owner = Owner(row.task, method, row.name, seed)
                self.runs.setdefault(folder, owner)
                config = item.record['pretrain']['config']
                if config:
                    self.configs.setdefault(
                        PurePath(config).stem, Owner('', method, row.name)
                    )

    def of(self, folder: str) -> Owner:
        """Owner of the files of a folder; one that says nothing if unknown."""
        here = PurePath(os.path.realpath(folder))
        for parent in (here, *here.parents):
            owner = self.runs.get(str(parent))
            if owner is not None:
                return owner
        for part in reversed(here.parts):
            owner = self.of_config(part)
            if owner is not None:
                return owner
        return Owner()

    def of_config(self, name: str, seed: int | None = None) -> Owner | None:
        """Owner of a pretraining by its config, also ``CONFIG_seed3``."""
        found = self.configs.get(name)
        match = SEED.fullmatch(name)
        if found is None and match:
            found, seed = self.configs.get(match['config']), int(match['seed'])
        if found is None:
            return None
        return Owner('', found.method, found.name, seed)


def folders_of(dirs: Iterable[PathLike]) -> Iterator[tuple[str, list[str]]]:
    """Every folder with its files; `scan` has named those it cannot list."""
    folders = Folders([])
    for top in map(str, dirs):
        if os.path.isdir(top):
            for folder, _, names in folders.below(top):
                yield folder, names
