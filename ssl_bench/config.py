"""Find and read configs; an error in one is reported in one line."""

import ast
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ssl_bench
from ssl_bench.config_keys import check_keys, plain_keys
from ssl_bench.errors import UserError, alternatives, near_names, one_line

# folders like ``configs``, in addition to it, separated as in PATH
FOLDERS = 'SSL_BENCH_CONFIGS'
BASE, DELETE = '_base_', '_delete_'
OURS = 'ssl_bench'  # of bases: ``ssl_bench::transfer/in1k_knn.py``


@lru_cache(maxsize=1)
def config_dir() -> Path:
    """The folder ``configs``: of the checkout, or installed with us."""
    package = Path(ssl_bench.__file__).parent
    for folder in (package.parent / 'configs', package / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise UserError(
        'the configs are missing from this installation; '
        'install ssl-bench from its repository.'
    )


def config_dirs() -> list[Path]:
    """`config_dir`, then the folders that ``SSL_BENCH_CONFIGS`` names.

    Raises:
        UserError: The variable names something that is not a folder.
    """
    words = os.environ.get(FOLDERS, '').split(os.pathsep)
    folders = [Path(word) for word in words if word]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(
                f'{FOLDERS}: {folder} is not a folder. Correct or unset this '
                'environment variable.'
            )
    return [config_dir(), *folders]


def load_config(path: str | Path, overrides: dict[str, Any] | None = None):
    """Read an mmengine config.

    Args:
        path (str | Path): A file, or a name below one of `config_dirs`, with
            or without ``.py``.
        overrides (dict, optional): Dotted keys and values that replace
            those of the file, as ``--cfg-options`` gives them; see
            `ssl_bench.config_edits.edit`.

    Returns:
        mmengine.Config: With what it and its bases say in ``edit`` applied,
        then ``overrides``.

    Raises:
        UserError: There is no such file (near names are listed), it does not
            load, or an override names a setting that does not exist.
    """
    path = find_config(path)  # before imports that take seconds
    from mmengine.config import Config, utils
    from mmengine.config import config as loader

    from ssl_bench.compat.imports import without_notes
    from ssl_bench.config_bases import bases_of
    from ssl_bench.config_edits import apply_edits, edit, edits_of_bases

    # mmengine looks for a distribution `mmsegmentation`; the fork's has
    # another name, but the module, which it tries next, is there
    utils.MODULE2PACKAGE['mmseg'] = 'mmseg'
    # for every base of a toolkit mmengine parses up to 90 YAML files, finds
    # no config in them (it looks for names without .py), and takes this path
    loader._get_external_cfg_path = utils._get_external_cfg_base_path
    try:
        let_import(path)
        with bases_of(OURS, our_config), edits_of_bases(), without_notes():
            config = Config.fromfile(path)
        apply_edits(config)
        check_keys(config, overrides or {})
        edit(config, plain_keys(overrides or {}))
    except UserError as error:
        named = str(error).startswith('config ')
        raise UserError(
            str(error) if named else f'config {path}: {error}'
        ) from error
    except Exception as error:  # a config is code: anything may be raised
        # names the line with wrong syntax, or a missing base
        read_literals(path)
        raise _does_not_load(path, error) from error
    return config


def _does_not_load(path: Path, error: Exception) -> UserError:
    """The error of a config, in one line of about 300 characters.

    mmengine's messages can have whole configs or ``sys.path`` in them.
    """
    while isinstance(error, ImportError):
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, ImportError):
            break
        error = inner  # mmengine's own tell which import failed, not why
    where = ''
    for frame in traceback.extract_tb(error.__traceback__):
        # code at the top level of a file other than mmengine's: a config's
        if frame.name == '<module>':
            name = (
                '' if Path(frame.filename) == path else f'{frame.filename}, '
            )
            where = f' ({name}line {frame.lineno})'
    return UserError(
        f'config {path} does not load: {type(error).__name__}: '
        f'{one_line(error)}{where}'
    )


def find_config(path: str | Path) -> Path:
    """The file meant by ``path``, as `load_config` takes it.

    Raises:
        UserError: There is none; near names are listed.
    """
    path = Path(path)
    named = path if path.suffix == '.py' else path.with_name(path.name + '.py')
    folders = config_dirs()
    # as `display_name` writes it, also outside the checkout
    below = Path(named.as_posix().removeprefix('configs/'))
    for candidate in (path, named, *(folder / below for folder in folders)):
        if candidate.is_file():
            return candidate
    known = {
        file.relative_to(folder).as_posix(): display_name(file)
        for folder in reversed(folders)
        for file in folder.rglob('*.py')
        if BASE not in file.parts
    }
    near = near_names(below.as_posix(), known)
    names = alternatives([known[name] for name in near]) if near else ''
    hint = f' Did you mean {names}?' if near else ''
    raise UserError(
        f'no config at {path}.{hint} `ssl-bench methods` lists those to '
        'pretrain.'
    )


def display_name(file: Path) -> str:
    """``configs/...`` for a config of this project; else the path."""
    root = config_dir().parent
    inside = file.is_relative_to(root)
    return file.relative_to(root).as_posix() if inside else str(file)


def parse_config(text: str) -> dict[str, Any]:
    """Read the top-level values of a dumped mmengine config, running nothing.

    Args:
        text (str): ``Config.pretty_text``: assignments of literals and
            ``dict(...)``.

    Returns:
        dict: What could be read; None for a value that is not a literal,
        and nothing from a text that is not Python.
    """
    try:
        return _assignments(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}


def read_literals(path: str | Path) -> dict[str, Any]:
    """Top-level values of a config and of its bases, running nothing.

    Args:
        path (str | Path): A config. Bases are merged as mmengine does; a
            base that is not written as a literal is left out.

    Returns:
        dict: As `parse_config`.

    Raises:
        UserError: A file that is missing or is not Python; the line names
            the file and, where there is one, the line.
    """
    return _read_literals(Path(path), ())


def _read_literals(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """As `read_literals`; ``above`` are the files that have it as a base."""
    if path.resolve() in above:
        raise UserError(
            f'config {path} does not load: it is among its own bases'
        )
    above = (*above, path.resolve())
    fields = own_literals(path)
    merged: dict[str, Any] = {}
    for file in _base_files(fields.pop(BASE, None), path):
        merged.update(_read_literals(file, above))
    return merge_literals(fields, merged)


def base_files(path: Path) -> list[Path]:
    """The bases of a config, as `read_literals` finds them.

    Raises:
        UserError: As `read_literals`.
    """
    return _base_files(own_literals(path).get(BASE), path)


def _base_files(bases: Any, path: Path) -> list[Path]:
    files = []
    for base in [bases] if isinstance(bases, str) else bases or []:
        if not isinstance(base, str):
            continue
        file = _base_file(base, path)
        if file is None or not file.is_file():
            raise UserError(
                f'config {path} does not load: its base {base} does not exist'
            )
        files.append(file)
    return files


def own_literals(path: Path) -> dict[str, Any]:
    """As `read_literals`, without what the bases say.

    Raises:
        UserError: As `read_literals`.
    """
    try:
        return _assignments(ast.parse(path.read_text(encoding='utf-8')))
    except SyntaxError as error:
        raise UserError(
            f'config {path} does not load: SyntaxError: {error.msg} '
            f'(line {error.lineno})'
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or one_line(error)
        raise UserError(f'config {path} does not load: {reason}') from error


def _base_file(base: str, path: Path) -> Path | None:
    """The file of a ``_base_`` of a config at ``path``.

    None for ``package::file`` of a package that is not installed.

    Raises:
        UserError: ``ssl_bench::`` and a name that no config of ours has.
    """
    package, external, name = base.rpartition('::')
    if not external:
        return path.parent / base
    if package == OURS:
        return our_config(base, path)
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0], '.mim', 'configs', name)


def our_config(base: str, path: Path) -> Path:
    """The file of ``ssl_bench::FILE``, a base of the config at ``path``.

    It is below `config_dir`, in a checkout and in an installation.

    Raises:
        UserError: There is none; near names are listed.
    """
    name = base.removeprefix(f'{OURS}::')
    file = config_dir() / name
    if file.is_file():
        return file
    known = {
        other.relative_to(config_dir()).as_posix()
        for other in config_dir().rglob('*.py')
    }
    near = [f'{OURS}::{other}' for other in near_names(name, known)]
    hint = f' Did you mean {alternatives(near)}?' if near else ''
    raise UserError(
        f'config {path} does not load: its base {base} does not exist.{hint}'
    )


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


def merge_literals(
    fields: dict[str, Any], base: dict[str, Any]
) -> dict[str, Any]:
    """``base`` with ``fields`` over it, dict by dict."""
    merged = dict(base)
    for name, value in fields.items():
        if isinstance(value, dict):
            value = dict(value)
            if not value.pop(DELETE, False):
                old = base.get(name)
                value = merge_literals(
                    value, old if isinstance(old, dict) else {}
                )
        merged[name] = value
    return merged


def _assignments(tree: ast.Module) -> dict[str, Any]:
    """Values of the assignments to plain names at the top level."""
    return {
        node.targets[0].id: _literal(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and len(node.targets) == 1
        and isinstance(node.targets[0], ast.Name)
    }


def _literal(node: ast.AST) -> Any:
    """A literal's value, None for anything else."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
    ):
        found: dict[str, Any] = {}
        for argument in node.args:  # dict({'not a name': 1})
            value = _literal(argument)
            found.update(value if isinstance(value, dict) else {})
        for word in node.keywords:
            if word.arg:
                found[word.arg] = _literal(word.value)
        return found
    if isinstance(node, ast.Dict):
        return {
            _literal(key): _literal(value)
            for key, value in zip(node.keys, node.values)
            if isinstance(key, ast.Constant)
        }
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def rebase(value: Any, old: str, new: str) -> Any:
    """Replace ``old`` at the start of every path below a config value."""
    if isinstance(value, str) and (
        value == old or value.startswith(old + '/')
    ):
        return new.rstrip('/') + value[len(old) :]
    return map_nodes(value, lambda item: rebase(item, old, new))


def map_nodes(value: Any, change: Callable[[Any], Any]) -> Any:
    """Apply ``change`` to the direct members of a dict, list or tuple."""
    if isinstance(value, dict):
        for key in list(value):
            value[key] = change(value[key])
        return value
    if isinstance(value, (list, tuple)):
        return type(value)([change(item) for item in value])
    return value


def data_paths(config: Mapping[str, Any]) -> list[Path]:
    """Folders and files that the loaders of a config would read."""
    found = set()

    def collect(value: Any) -> Any:
        if isinstance(value, dict) and 'data_root' in value:
            root = Path(value['data_root'])
            found.add(root / value.get('ann_file', ''))
        return map_nodes(value, collect)

    for name in ('train_dataloader', 'test_dataloader'):
        collect(config.get(name, {}))
    return sorted(found)
