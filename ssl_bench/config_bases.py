"""What mmengine must know to load a config: our bases, a user's modules."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssl_bench.config import OURS, base_files, config_dir, our_config
from ssl_bench.errors import UserError


@contextmanager
def our_bases() -> Iterator[None]:
    """Let mmengine find ``ssl_bench::FILE`` among the bases of a config.

    It looks for ``package::FILE`` in ``.mim`` of an installed package, and
    ours has its configs elsewhere. It has no hook for it: the function that
    finds a base is replaced for the time being.
    """
    from mmengine.config import Config

    find = Config._get_cfg_path

    def find_base(base: str, path: str) -> tuple[str, str | None]:
        if base.startswith(f'{OURS}::'):
            return str(our_config(base, Path(path))), None
        found: tuple[str, str | None] = find(base, path)
        return found

    Config._get_cfg_path = staticmethod(find_base)
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(find)


def let_import(path: Path) -> None:
    """Let a config name modules that lie in its folder, or in its bases'.

    The installed command does not search the current folder for modules.
    Ours and those of toolkits have none. The folders are searched last, so
    that a file cannot take the place of an installed package; torchrun's
    processes load the config themselves, and loaders' workers have the
    ``sys.path`` of the process that starts them.

    Args:
        path (Path): The config.
    """
    waiting, seen = [path.resolve()], set()
    while waiting:
        file = waiting.pop()
        if file in seen or file.is_relative_to(config_dir().resolve()):
            continue
        seen.add(file)
        folder = str(file.parent)
        if folder not in sys.path and '.mim' not in file.parts:
            sys.path.append(folder)
        with suppress(UserError):  # which loading the config will say
            waiting += [base.resolve() for base in base_files(file)]
