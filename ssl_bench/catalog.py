"""What methods there are, read from the configs and their classes.

A pretraining config names its method: ``method = dict(name='LEWEL',
variant='B (EMAN)')``, in the words of the published tables. Everything that
lists methods (the command line, the README's table) is made from here.
"""

import inspect
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mmpretrain.registry import MODELS

from ssl_bench.baselines import ALIASES, BASELINES, CONTROLS, PARITY
from ssl_bench.config import config_dir, load_config
from ssl_bench.config_summary import model_line, settings_line
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.markdown_sections import replace_section


@dataclass
class Method:
    """A method and the configs that train it.

    Args:
        name (str): As in the published tables.
        model (str): Registered class; empty where nothing is trained.
        doc (str): Its description, in the form of our docstrings.
        configs (list[str]): Paths from the repository's root.
        variants (list[str]): Of those configs, for instance ``'B (EMAN)'``.
    """

    name: str
    model: str
    doc: str
    configs: list[str] = field(default_factory=list)
    variants: list[str] = field(default_factory=list)

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
                f'the docstring of {self.model} has no line '
                '`Parity:`; say what its numbers were held to.'
            )
        return ' '.join(found[1].split())

    @property
    def paper_configs(self) -> list[str]:
        """Names of the configs that are not for embedded data."""
        return [
            Path(path).stem for path in self.configs if '/mini/' not in path
        ]


@lru_cache(maxsize=1)
def methods() -> dict[str, Method]:
    """Every method by name; the controls come last."""
    from ssl_bench import register_all_modules

    register_all_modules()
    found: dict[str, Method] = {}
    root = config_dir()
    for path in [*sorted(root.glob('*.py')), *sorted(root.glob('mini/*.py'))]:
        config = load_config(path)
        if 'method' not in config:
            continue
        name, kind = config.method.name, config.model.type
        entry = found.setdefault(name, Method(name, kind, text_of(kind)))
        entry.configs.append(path.relative_to(root.parent).as_posix())
        if config.method.get('variant', '') not in ('', *entry.variants):
            entry.variants.append(config.method.variant)
    found = {name: found[name] for name in sorted(found, key=str.casefold)}
    for name, text in CONTROLS.items():
        found[name] = Method(name, '', text)
    return found


def text_of(model: str) -> str:
    """Description of a registered class: its docstring, or our own text.

    Raises:
        UserError: No such class; near names are listed.
    """
    if model in BASELINES:
        return BASELINES[model] + PARITY
    kind = MODELS.get(model)
    if kind is None:
        raise unknown_name('model', model, MODELS.module_dict)
    return inspect.getdoc(kind) or ''


def find_method(name: str) -> Method:
    """A method by its name, perhaps with a variant (``LEWEL_M``).

    Case and spaces do not count, nor what a variant has in brackets.

    Raises:
        UserError: No such method; near names are listed.
    """
    names = {
        f'{entry} {variant}'.strip(): method
        for entry, method in methods().items()
        for variant in ('', *method.variants)
    }
    known = {
        _squeeze(entry.partition('(')[0]): method
        for entry, method in names.items()
    }
    known |= {
        word.partition('=')[0]: methods()[entry]
        for word, entry in ALIASES.items()
    }
    method = known.get(_squeeze(name))
    if method is None:
        raise unknown_name('method', name, names)
    return method


def _squeeze(name: str) -> str:
    return re.sub(r'[\s_-]', '', name.lower())


def describe(name: str) -> str:
    """A method's description, paper, configs and their settings."""
    method = find_method(name)
    title = (
        f'{method.name} (class {method.model})'
        if method.model
        else method.name
    )
    parts = [title, method.description]
    if method.paper:
        parts.append(f'Paper: https://arxiv.org/abs/{method.paper}')
    lines = []
    for path in method.configs:
        config = load_config(config_dir().parent / path)
        variant = config.method.get('variant')
        lines.append(f'  {path}' + (f'  [{variant}]' if variant else ''))
        lines.append(f'    {settings_line(config)}')
        lines.append(f'    {model_line(config)}')
    if lines:
        parts.append('Configs:\n' + '\n'.join(lines))
    return '\n\n'.join(parts)


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
