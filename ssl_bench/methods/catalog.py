"""What methods there are, read from the configs and their classes.

A pretraining config names its method: ``method = dict(name='LEWEL',
variant='B (EMAN)')``, in the words of the published tables. Everything that
lists methods (the command line, the README's table) is made from here.
"""
import inspect
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Dict, List

from mmpretrain.registry import MODELS

from ssl_bench.engine.config import config_dir, load_config
from ssl_bench.errors import unknown_name


@dataclass
class Method:
    """A method and the configs that train it.

    Args:
        name (str): As in the published tables.
        model (str): Registered class.
        doc (str): The docstring of that class.
        configs (list[str]): Paths from the repository's root.
    """
    name: str
    model: str
    doc: str
    configs: List[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """First sentence of the class's docstring."""
        return ' '.join(self.doc.split('\n\n')[0].split())


@lru_cache(maxsize=1)
def methods() -> Dict[str, Method]:
    """Every method by name; importing `ssl_bench.methods` comes first."""
    from ssl_bench import register_all_modules
    register_all_modules()
    found: Dict[str, Method] = {}
    root = config_dir()
    for path in sorted([*root.glob('*.py'), *root.glob('mini/*.py')]):
        config = load_config(path)
        if 'method' not in config:
            continue
        name = config.method.name
        model = MODELS.get(config.model.type)
        entry = found.setdefault(name, Method(
            name, config.model.type, inspect.getdoc(model) or ''))
        entry.configs.append(str(path.relative_to(root.parent)))
    return found


def describe(name: str) -> str:
    """The docstring and configs of a method, for reading.

    Raises:
        UserError: No such method; near names are listed.
    """
    known = {entry.lower().replace(' ', ''): method
             for entry, method in methods().items()}
    method = known.get(name.lower().replace(' ', ''))
    if method is None:
        raise unknown_name('method', name, methods())
    configs = '\n'.join(f'  {path}' for path in method.configs)
    return (f'{method.name} (class {method.model})\n\n{method.doc}\n\n'
            f'Configs:\n{configs}')
