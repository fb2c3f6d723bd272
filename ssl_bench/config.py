"""Find and read configs; a mistake in one is said in a line."""

import ast
import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import ssl_bench
from ssl_bench.errors import UserError


@lru_cache(maxsize=1)
def config_dir() -> Path:
    """The folder ``configs``: of the checkout, or installed beside us."""
    package = Path(ssl_bench.__file__).parent
    for folder in (package.parent / 'configs', package / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise UserError(
        'the configs are missing from this installation; '
        'install ssl-bench from its repository.'
    )


def config_dirs() -> list[Path]:
    """`config_dir`, and those that ``SSL_BENCH_CONFIGS`` names.

    Raises:
        UserError: One of them is not a folder.
    """
    named = os.environ.get('SSL_BENCH_CONFIGS', '')
    more = [Path(name) for name in named.split(os.pathsep) if name]
    for folder in more:
        if not folder.is_dir():
            raise UserError(f'SSL_BENCH_CONFIGS: {folder} is not a folder.')
    return [config_dir(), *more]


def load_config(path: str | Path, overrides: dict[str, Any] | None = None):
    """Read an mmengine config.

    Args:
        path (str | Path): A file, or a name below ``configs`` with or
            without ``.py``.
        overrides (dict, optional): Dotted keys and values that replace
            those of the file, as ``--cfg-options`` gives them.

    Returns:
        mmengine.Config: With ``overrides`` merged in.

    Raises:
        UserError: There is no such file (near names are listed), it does not
            load, or an override points at something that is not there.
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    # mmengine looks for a distribution `mmsegmentation`; the fork's has
    # another name, but the module, which it tries next, is there
    MODULE2PACKAGE['mmseg'] = 'mmseg'
    path = _find(Path(path))
    try:
        with _own_task():
            config = Config.fromfile(path)
        config.merge_from_dict(overrides or {})
    except Exception as error:  # a config is code: anything may be raised
        raise UserError(
            f'config {path} does not load: {type(error).__name__}: {error}'
        ) from error
    return config


@contextmanager
def _own_task() -> Iterator[None]:
    """Leave ``TASK`` to the file that states it.

    mmengine would merge it with the base's, and would refuse a data set of
    the file's own over the name of the base's data set.
    """
    from mmengine.config import Config

    merge = Config._merge_a_into_b

    def merge_settings(new, old, allow_list_keys: bool = False):
        if 'TASK' in new and 'TASK' in old:
            old = old.copy()
            old.pop('TASK')
        return merge(new, old, allow_list_keys)

    Config._merge_a_into_b = staticmethod(merge_settings)
    try:
        yield
    finally:
        Config._merge_a_into_b = staticmethod(merge)


def _find(path: Path) -> Path:
    """The file meant by ``path``; raises UserError with near names."""
    named = path if path.suffix == '.py' else path.with_name(path.name + '.py')
    for candidate in (path, named, *(root / named for root in config_dirs())):
        if candidate.is_file():
            return candidate
    root = config_dir()
    known = [
        str(p.relative_to(root))
        for p in root.rglob('*.py')
        if '_base_' not in p.parts
    ]
    near = difflib.get_close_matches(
        str(named).removeprefix('configs/'), known, n=3, cutoff=0.4
    )
    hint = f' Did you mean configs/{", configs/".join(near)}?' if near else ''
    raise UserError(f'no config at {path}.{hint}')


def parse_options(words: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` words as OpenMMLab's ``--cfg-options`` does.

    Values are Python literals where they parse as such, comma separated
    lists, true/false/none, or else plain strings.

    Raises:
        UserError: A word without ``=``.
    """
    options = {}
    for word in words:
        key, equals, text = word.partition('=')
        if not (equals and key):
            raise UserError(f'--cfg-options takes key=value, got {word!r}.')
        options[key] = _value(text)
    return options


def _value(text: str) -> Any:
    named = dict(true=True, false=False, none=None)
    if text.lower() in named:
        return named[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return (
            [_value(part) for part in text.split(',')] if ',' in text else text
        )
    return (
        list(value) if isinstance(value, tuple) and text[0] != '(' else value
    )


def parse_config(text: str) -> dict[str, Any]:
    """Read the top-level values of a dumped mmengine config, running nothing.

    Args:
        text (str): ``Config.pretty_text``: assignments of literals and
            ``dict(...)``.

    Returns:
        dict: What could be read; a value that is no literal is left out.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    fields = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and len(node.targets) == 1
            and isinstance(node.targets[0], ast.Name)
        ):
            fields[node.targets[0].id] = _literal(node.value)
    return fields


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
        return {
            **found,
            **{
                word.arg: _literal(word.value)
                for word in node.keywords
                if word.arg
            },
        }
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
