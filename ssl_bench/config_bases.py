"""Bases of configs that mmengine does not find by itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bases_of(
    package: str, find: Callable[[str, Path], Path]
) -> Iterator[None]:
    """Let mmengine find ``package::FILE`` among the bases of a config.

    It looks for it in ``.mim`` of an installed package, and ours has its
    configs elsewhere. It has no hook for it: the function that finds a base
    is replaced for the time being.

    Args:
        package (str): Ours.
        find (Callable): From a base, and the config that has it, to a file.
    """
    from mmengine.config import Config

    theirs = Config._get_cfg_path

    def find_base(base: str, path: str) -> tuple[str, str | None]:
        if base.startswith(f'{package}::'):
            return str(find(base, Path(path))), None
        found: tuple[str, str | None] = theirs(base, path)
        return found

    Config._get_cfg_path = staticmethod(find_base)
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(theirs)
