"""What methods there are, read from the configs and from docstrings.

A pretraining config names its method: ``method = dict(name='LEWEL',
variant='B (EMAN)')``, in the words of the published tables. Everything that
lists methods (the command line, the README's table) is made from here.

Configs and the files in ``ssl_bench/methods`` are parsed, not run, and no
toolkit is imported: `ssl-bench methods` answers at once, and a broken config
is a line at the end. Only `describe` loads the configs of its method.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ssl_bench.baselines import ALIASES, BASELINES, CONTROLS
from ssl_bench.config import (
    config_dirs,
    display_name,
    find_config,
    let_import,
    load_config,
    read_literals,
)
from ssl_bench.errors import (
    UserError,
    alternatives,
    near_names,
    one_line,
    unknown_name,
)
from ssl_bench.markdown_sections import replace_section
from ssl_bench.results.names import method_key

LONGEST = 200  # characters of a line about a broken config
REGISTER = 'MODELS.register_module'
PAPER = 'Paper'  # begins the name of what differs from mmpretrain's class


@dataclass
class Method:
    """A method and the configs that train it.

    Args:
        name (str): As in the published tables.
        model (str): Registered class; empty where nothing is trained.
        doc (str): Its description, in the form of a docstring.
        files (list[Path]): The configs.
        variants (list[str]): Of those configs, for instance ``'B (EMAN)'``.
    """

    name: str
    model: str
    doc: str
    files: list[Path] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)

    @property
    def configs(self) -> list[str]:
        """The configs as a user names them."""
        return [display_name(path) for path in self.files]

    @property
    def short_names(self) -> list[str]:
        """The configs as `ssl-bench pretrain` finds them, short."""
        return [
            name.removeprefix('configs/').removesuffix('.py')
            for name in self.configs
        ]

    @property
    def summary(self) -> str:
        """The pretext in a line: the first sentence."""
        return ' '.join(self.doc.split('\n\n')[0].split())

    @property
    def description(self) -> str:
        """The text without the arguments of the class."""
        return re.split(r'\n(?:Args|Raises):\n', self.doc)[0].strip()

    @property
    def paper(self) -> str:
        """Number of the arXiv paper; empty for a control without one."""
        number = re.search(r'arXiv:([\d.]+\d)', self.doc)
        return number[1] if number else ''

    @property
    def parity(self) -> str:
        """What its numbers have been compared with.

        Raises:
            UserError: The docstring has no line ``Parity:``.
        """
        found = re.search(r'\nParity: (.+(?:\n +.+)*)', self.doc)
        if not found:
            raise UserError(
                f'the docstring of {self.model} has no line `Parity:`; say '
                'what its numbers were compared with.'
            )
        return ' '.join(found[1].split())

    @property
    def paper_configs(self) -> list[str]:
        """Names of the configs that are not for embedded data."""
        return [path.stem for path in self.files if path.parent.name != 'mini']


class Catalog(NamedTuple):
    """All methods by name, and a line about each config that is broken."""

    methods: dict[str, Method]
    broken: list[str]


def methods() -> dict[str, Method]:
    """Every method by name; the controls come last."""
    return read_catalog().methods


def read_catalog() -> Catalog:
    """Read every config and every docstring once."""
    package = find_spec('ssl_bench.methods')
    places = package.submodule_search_locations if package else None
    return _read_catalog(tuple(config_dirs()), tuple(places or ()))


@lru_cache(maxsize=1)
def _read_catalog(folders: tuple[Path, ...], package: tuple[str]) -> Catalog:
    broken: list[str] = []
    texts = dict(BASELINES)
    for place in package:
        for path in sorted(Path(place).rglob('*.py')):
            with _noted(broken, path):
                texts |= registered(path)
    for name in [name for name in texts if name.startswith(PAPER)]:
        # mmpretrain's class, in a user's config
        texts.setdefault(name.removeprefix(PAPER), texts[name])
    found: dict[str, Method] = {}
    for folder in folders:
        for pattern in ('*.py', 'mini/*.py'):
            for path in sorted(folder.glob(pattern)):
                with _noted(broken, path):
                    _add(found, path, texts)
    ordered = {name: found[name] for name in sorted(found, key=str.casefold)}
    for name, text in CONTROLS.items():
        ordered[name] = Method(name, '', text)
    return Catalog(ordered, broken)


@contextmanager
def _noted(broken: list[str], path: Path) -> Iterator[None]:
    """Make an error about a file one line of the list."""
    try:
        yield
    except UserError as error:
        reason = str(error).removeprefix(f'config {path} ')
        broken.append(one_line(f'{display_name(path)}: {reason}', LONGEST))


def _add(found: dict[str, Method], path: Path, texts: dict[str, str]) -> None:
    """Put a config with its method.

    Raises:
        UserError: It is not Python, or does not name its method and model.
    """
    config = read_literals(path)
    name = _text(config, 'method', 'name')
    kind = _text(config, 'model', 'type')
    if kind not in texts:
        let_import(path)
        for file in _imported(config):
            texts |= registered(file)
    if kind not in texts:
        near = near_names(kind, texts)
        hint = f' Did you mean {alternatives(near)}?' if near else ''
        raise UserError(f'unknown model {kind!r}.{hint}')
    # two methods can share a class
    text = BASELINES.get(f'{kind}: {name}', texts[kind])
    entry = found.setdefault(name, Method(name, kind, text))
    entry.files.append(path)
    variant = config['method'].get('variant') or ''
    if variant not in ('', *entry.variants):
        entry.variants.append(variant)


def _text(config: dict[str, Any], name: str, key: str) -> str:
    """A string that a config has to state as a literal."""
    settings = config.get(name)
    value = settings.get(key) if isinstance(settings, dict) else None
    if not isinstance(value, str):
        raise UserError(f'it has no literal `{name} = dict({key}=NAME)`')
    return value


def _imported(config: dict[str, Any]) -> Iterator[Path]:
    """Files of the modules in ``custom_imports``, which are not imported."""
    imports = (config.get('custom_imports') or {}).get('imports') or []
    for module in [imports] if isinstance(imports, str) else imports:
        top, *rest = str(module).split('.')
        spec = None if top == 'ssl_bench' else find_spec(top)
        if spec is None:
            continue
        for place in spec.submodule_search_locations or ():
            path = Path(place, *rest)
            yield from path.glob('*.py')
            yield from path.parent.glob(f'{path.name}.py')
        if not rest and spec.origin and spec.origin.endswith('.py'):
            yield Path(spec.origin)


def registered(path: Path) -> dict[str, str]:
    """Names and docstrings of the models that a file registers, not run.

    Raises:
        UserError: The file is not Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding='utf-8'))
    except SyntaxError as error:
        raise UserError(
            f'SyntaxError: {error.msg} (line {error.lineno})'
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from error
    return {
        name: inspect.cleandoc(ast.get_docstring(node) or '')
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for name in _names(node)
    }


def _names(node: ast.ClassDef) -> Iterator[str]:
    """The names under which a class is registered as a model."""
    for decorator in node.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and ast.unparse(decorator.func) == REGISTER
        ):
            given = [*decorator.args, *(w.value for w in decorator.keywords)]
            names = [
                value.value
                for value in given
                if isinstance(value, ast.Constant)
                and isinstance(value.value, str)
            ]
            yield from names or [node.name]


def find_method(name: str) -> Method:
    """A method by its name, with or without a variant (``LEWEL_M``).

    Case, spaces and what a variant has in brackets do not count; other
    spellings are those of `names.method_key` (``instanceloc``).

    Raises:
        UserError: No such method; near names are listed, and configs that
            are broken, one of which may be the method's.
    """
    catalog = read_catalog()
    names = {
        f'{entry} {variant}'.strip(): method
        for entry, method in catalog.methods.items()
        for variant in ('', *method.variants)
    }
    known = {
        method_key(part): method
        for entry, method in names.items()
        for part in (entry.partition('(')[0], entry)
    }
    known |= {
        word.partition('=')[0]: catalog.methods[entry]
        for word, entry in ALIASES.items()
    }
    method = known.get(method_key(name))
    if method is None:
        error = unknown_name('method', name, names)
        if catalog.broken:
            raise UserError(f'{error} Not read: {"; ".join(catalog.broken)}.')
        raise error
    return method


def method_of(config: str) -> Method:
    """The method of one config, which may lie anywhere.

    Args:
        config (str): As `ssl-bench pretrain` takes it.

    Raises:
        UserError: No such config, or it does not name its method and model.
    """
    path = find_config(config)
    texts = dict(BASELINES) | {
        method.model: method.doc for method in methods().values()
    }
    found: dict[str, Method] = {}
    try:
        _add(found, path, texts)
    except UserError as error:
        named = str(error).startswith('config ')
        raise UserError(
            str(error) if named else f'config {path}: {error}'
        ) from error
    return next(iter(found.values()))


def describe(name: str) -> str:
    """A method's description, paper, configs and their settings.

    Args:
        name (str): As of `find_method`, or a config that ends in ``.py``.

    The configs are loaded, and the toolkits imported. A config that does not
    load has the reason in place of its settings.
    """
    is_config = name.endswith('.py')
    method = method_of(name) if is_config else find_method(name)
    title = (
        f'{method.name} (class {method.model})'
        if method.model
        else method.name
    )
    parts = [title, method.description]
    if method.paper:
        parts.append(f'Paper: https://arxiv.org/abs/{method.paper}')
    lines = []
    for path in method.files:
        try:
            lines += _settings(path)
        except UserError as error:
            reason = str(error).removeprefix(f'config {path} ')
            lines.append(f'  {display_name(path)}: {reason}')
    if lines:
        parts.append('Configs:\n' + '\n'.join(lines))
    return '\n\n'.join(parts)


def _settings(path: Path) -> list[str]:
    """A config's name and variant, its settings, and its model's."""
    # first: it keeps what the toolkits print on import to itself
    from ssl_bench import register_all_modules

    register_all_modules()
    from ssl_bench.config_summary import model_line, settings_line

    config = load_config(path)
    try:
        lines = [settings_line(config), model_line(config)]
    except Exception as error:  # building a transform may raise anything
        raise UserError(
            f'its settings cannot be read: {type(error).__name__}: '
            f'{one_line(error)}'
        ) from error
    variant = config.method.get('variant')
    name = display_name(path) + (f'  [{variant}]' if variant else '')
    return [f'  {name}', *(f'    {line}' for line in lines)]


def method_table() -> str:
    """Method, paper, pretext, configs and parity status, in Markdown."""
    rows = [('Method', 'Paper', 'Pretext', 'Configs', 'Parity'), ('---',) * 5]
    for method in methods().values():
        paper = method.paper and (
            f'[{method.paper}](https://arxiv.org/abs/{method.paper})'
        )
        configs = ', '.join(f'`{name}`' for name in method.paper_configs)
        words = [word for word, name in ALIASES.items() if name == method.name]
        rows.append(
            (
                method.name,
                paper,
                method.summary.rstrip('.'),
                configs or f'`transfer {words[0]}`',
                method.parity.rstrip('.'),
            )
        )
    return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)


def with_table(text: str) -> str:
    """A Markdown text whose section ``methods`` is the present table."""
    return replace_section(text, 'methods', method_table())
