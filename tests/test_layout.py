"""Imports point one way, in no circle, and generic code names no method.

Imports are read from the text, those inside functions too. What
`register_all_modules` and the command line import by a computed name (the
parts that fill the registries, the subcommands) is not seen here.
"""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = 'ssl_bench'

# What every part may import: `ssl_bench` is the package's own __init__.
BASE = {
    PACKAGE,
    'errors',
    'environment',
    'files',
    'pixels',
    'sheet_file',
    'config',
    'config_bases',
    'config_edits',
    'compat',
    'header_fields',
    'config_keys',
}
# A part is a folder or a file of the package; it may import itself, the base,
# and what is listed here. Higher parts come first. A new part needs a row.
ALLOWED: dict[str, set[str]] = {
    '__main__': {'cli'},
    'api': {'transfer', 'engine', 'tasks', 'checkpoints', 'results'},
    'cli': {
        'health',
        'launch',
        'judge',
        'transfer',
        'engine',
        'catalog',
        'toolbox',
        'tasks',
        'checkpoints',
        'results',
        'data',
        'markdown_sections',
        'cfg_options',
        'progress',
        'run_folder',
    },
    'health': {'catalog', 'tasks'},
    'launch': {
        'transfer',
        'tasks',
        'checkpoints',
        'results',
        'data',
        'markdown_sections',
        'cfg_options',
        'run_folder',
        'baselines',
        'progress',
    },
    'judge': {
        'launch',
        'transfer',
        'tasks',
        'checkpoints',
        'results',
        'data',
        'cfg_options',
        'run_folder',
        'progress',
    },
    'transfer': {
        'engine',
        'measuring',
        'toolbox',
        'tasks',
        'checkpoints',
        'frozen_dense',
        'results',
        'layers',
        'run_folder',
    },
    'catalog': {'baselines', 'config_summary', 'markdown_sections', 'results'},
    'config_summary': {'data'},
    # a pretraining run: the models come from the registry, by their names
    'engine': {
        'measuring',
        'checkpoints',
        'data',
        'layers',
        'baselines',
        'progress',
        'tasks',
        'run_folder',
    },
    'once_per_node': {'run_folder'},
    # reads what checkpoints say of themselves
    'run_folder': {'checkpoints'},
    'methods': {'data', 'layers'},
    'toolbox': {
        'measuring',
        'tasks',
        'checkpoints',
        'layers',
        'data',
        'frozen_dense',
        'once_per_node',
    },
    'results': {'tasks', 'checkpoints', 'markdown_sections'},
    'tasks': set(),
    'checkpoints': set(),
    'data': {'once_per_node', 'run_folder'},
    'frozen_dense': set(),
    'baselines': {'layers'},
    'measuring': set(),
    'layers': set(),
    'markdown_sections': set(),
    'cfg_options': set(),
    'progress': set(),
    'compat': set(),
    'config_bases': set(),
    'config_edits': set(),
    'config': set(),
    'config_keys': set(),
    'files': set(),
    'pixels': set(),
    'sheet_file': set(),
    'header_fields': set(),
    'errors': set(),
    'environment': set(),
    PACKAGE: set(),
}
# of the base itself, from low to high
LOW = (
    'errors',
    'environment',
    'header_fields',
    'compat',
    'files',
    'pixels',
    'sheet_file',
    'config_bases',
    'config_edits',
    'config_keys',
    'config',
)

# to be removed: (importer, imported) against the direction, and circles
KNOWN: set[tuple[str, str]] = set()
KNOWN_CIRCLES: set[frozenset[str]] = set()


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob('*.py')):
        parts = list(path.relative_to(ROOT).with_suffix('').parts)
        if parts[-1] == '__init__':
            parts.pop()
        found['.'.join(parts)] = path
    return found


def resolve(module: str, name: str | None, known: set[str]) -> str | None:
    """The module meant by ``from module import name``; None: not ours."""
    if name and f'{module}.{name}' in known:
        return f'{module}.{name}'
    return module if module in known else None


def imports_in(text: str, known: set[str]) -> Iterator[str]:
    """Modules of ours that a text imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        pairs: list[tuple[str, str | None]] = []
        if isinstance(node, ast.Import):
            pairs = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports name the whole path'
            pairs = [(node.module or '', alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition('.')[2]
            first = node.args[0]
            if called in ('import_module', '__import__') and isinstance(
                first, ast.Constant
            ):
                pairs = [(str(first.value), None)]
        for module, name in pairs:
            found = resolve(module, name, known)
            if found:
                yield found


@cache
def graph() -> dict[str, set[str]]:
    """The modules that each module imports."""
    known = set(modules())
    return {
        name: set(imports_in(path.read_text(encoding='utf-8'), known)) - {name}
        for name, path in modules().items()
    }


def part(module: str) -> str:
    """The folder or file right below the package."""
    return module.split('.')[1] if '.' in module else module


def circles(edges: dict[str, set[str]]) -> list[frozenset[str]]:
    """Groups of two or more nodes that reach each other (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(frozenset(group))

    for node in edges:
        if node not in index:
            visit(node)
    return found


def test_no_two_modules_import_each_other():
    assert [c for c in circles(graph()) if c not in KNOWN_CIRCLES] == []


def test_every_part_has_a_row():
    assert {part(module) for module in modules()} - set(ALLOWED) == set()


def test_imports_point_one_way():
    wrong = [
        (module, other)
        for module, others in graph().items()
        for other in sorted(others)
        if part(other) not in ALLOWED[part(module)] | BASE | {part(module)}
    ]
    assert [pair for pair in wrong if pair not in KNOWN] == []


def test_the_base_imports_only_what_is_below_it():
    for i, name in enumerate(LOW):
        allowed = {PACKAGE, *LOW[: i + 1]}
        for module, others in graph().items():
            if part(module) == name:
                assert {part(other) for other in others} <= allowed, module


def test_the_rows_have_no_circle():
    """The direction itself: a row that closes a circle would allow one."""
    assert circles(ALLOWED) == []


def test_methods_never_import_transfer_even_through_others():
    reached, todo = set(), [m for m in modules() if part(m) == 'methods']
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            todo += graph()[module]
    assert len(reached) > 20
    assert {part(module) for module in reached} <= {
        'methods',
        *ALLOWED['methods'],
        *BASE,
    }


def test_the_checks_find_what_they_look_for():
    known = {'ssl_bench.a', 'ssl_bench.b', 'ssl_bench'}
    text = (
        'import ssl_bench\n'
        'def f():\n'
        '    from ssl_bench import a\n'
        '    import_module("ssl_bench.b")\n'
        'from ssl_bench.b import thing\n'
        'import torch\n'
    )
    assert sorted(imports_in(text, known)) == [
        'ssl_bench',
        'ssl_bench.a',
        'ssl_bench.b',
        'ssl_bench.b',
    ]
    edges = {'a': {'b'}, 'b': {'c'}, 'c': {'a', 'd'}, 'd': set()}
    assert circles(edges) == [frozenset('abc')]
    assert circles({'a': {'b'}, 'b': {'c'}, 'c': set()}) == []


METHODS = (
    'InsLoc',
    'PixPro',
    'PixContrast',
    'LEWEL',
    'SiameseIM',
    'BarlowTwins',
    'BlockMask',
    'SwAV',
    'DenseCL',
    'BYOL',
    'SimCLR',
    'SimSiam',
)
GENERIC = [
    *sorted((ROOT / PACKAGE / 'engine').glob('*.py')),
    *sorted((ROOT / PACKAGE / 'data').glob('*.py')),
    *sorted((ROOT / PACKAGE / 'layers').glob('*.py')),
    *sorted((ROOT / PACKAGE / 'cli').glob('*.py')),
    *sorted((ROOT / 'tools').glob('*.py')),
    *(
        ROOT / PACKAGE / name
        for name in ('catalog.py', 'config_summary.py', 'config.py')
    ),
]


def words_of(text: str) -> set[str]:
    """Names and strings of a text, without docstrings and comments."""
    tree = ast.parse(text)
    skipped = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(
            node,
            (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef),
        )
        and ast.get_docstring(node) is not None
    }
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in skipped:
                words.add(node.value)
        elif isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, (ast.alias, ast.ClassDef, ast.FunctionDef)):
            words.add(node.name)
    return words


@pytest.mark.parametrize('path', GENERIC, ids=lambda path: path.name)
def test_generic_code_names_no_method(path):
    words = words_of(path.read_text(encoding='utf-8'))
    assert [w for w in words if any(name in w for name in METHODS)] == []


def test_words_of_a_text():
    text = '"""InsLoc."""\ndef f():\n    "PixPro"\n    return g(LEWEL, "SwAV")'
    assert words_of(text) == {'f', 'g', 'LEWEL', 'SwAV'}


def test_parts_are_importable():
    """The rows are names of parts that exist."""
    for name in ALLOWED:
        full = PACKAGE if name == PACKAGE else f'{PACKAGE}.{name}'
        assert importlib.util.find_spec(full), name
