"""Find and read configs; a mistake in one is said in a line."""

import ast
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ssl_bench
from ssl_bench.errors import UserError


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


def load_config(path: str | Path, overrides: dict[str, Any] | None = None):
    """Read an mmengine config.

    Args:
        path (str | Path): A file, or a name below ``configs`` with or
            without ``.py``.
        overrides (dict, optional): Dotted keys and values that replace
            those of the file, as ``--cfg-options`` gives them; see
            `ssl_bench.config_edits.edit`.

    Returns:
        mmengine.Config: With what it and its bases say in ``edit`` applied,
        then ``overrides``.

    Raises:
        UserError: There is no such file (near names are listed), it does not
            load, or an override points at something that is not there.
    """
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE

    from ssl_bench.config_edits import apply_edits, edit, edits_of_bases

    # mmengine looks for a distribution `mmsegmentation`; the fork's has
    # another name, but the module, which it tries next, is there
    MODULE2PACKAGE['mmseg'] = 'mmseg'
    path = _find(Path(path))
    try:
        with edits_of_bases():
            config = Config.fromfile(path)
        apply_edits(config)
        edit(config, overrides or {})
    except UserError as error:
        raise UserError(f'config {path}: {error}') from error
    except Exception as error:  # a config is code: anything may be raised
        raise UserError(
            f'config {path} does not load: {type(error).__name__}: {error}'
        ) from error
    return config


def _find(path: Path) -> Path:
    """The file meant by ``path``; raises UserError with near names."""
    named = path if path.suffix == '.py' else path.with_name(path.name + '.py')
    for candidate in (path, named, config_dir() / named):
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
