"""Commands in messages exist, also for who has installed a wheel.

Collected are the texts of the package that somebody reads while it runs: every
string but docstrings, and the docstrings of the subcommands, which are their
help.
"""

import ast
import re
import shlex
from pathlib import Path

import pytest

from ssl_bench.cli import SUBCOMMANDS, build_parser
from ssl_bench.config import config_dir, find_config
from ssl_bench.launch.suite import read_suite

ROOT = Path(__file__).parents[1]
HOLE = 'HOLE'  # what a message puts in at run time
# a command between backticks, or at the end of a text after `ssl-bench`
COMMAND = re.compile(r'`(ssl-bench(?: [^`]*)?)`')
BARE = re.compile(r'(?<!`)\bssl-bench ([a-z]+)')
# scripts of the repository, which a wheel does not have
CHECKOUT = re.compile(r'(?<!mim/)\btools/|\bmake (?:demo|test)\b')


def texts():
    """Place and text of each string, pieces joined, holes filled."""
    for path in sorted((ROOT / 'ssl_bench').rglob('*.py')):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        name = path.relative_to(ROOT).as_posix()
        if path.parent.name == 'cli' and path.stem in SUBCOMMANDS:
            yield name, ast.get_docstring(tree) or ''
        inner = {
            id(piece)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for piece in node.values
        }
        for node in ast.walk(tree):
            if id(node) in docs or id(node) in inner:
                continue
            if isinstance(node, ast.JoinedStr):
                yield (
                    f'{name}:{node.lineno}',
                    ''.join(
                        str(piece.value)
                        if isinstance(piece, ast.Constant)
                        else HOLE
                        for piece in node.values
                    ),
                )
            elif isinstance(node, ast.Constant) and isinstance(
                node.value, str
            ):
                yield f'{name}:{node.lineno}', node.value


TEXTS = [*texts()]
COMMANDS = [
    (place, ' '.join(found.split()))
    for place, text in TEXTS
    for found in COMMAND.findall(text)
]


def test_texts_are_found():
    assert len(TEXTS) > 3000 and len(COMMANDS) > 20


def test_no_message_names_a_file_of_the_repository():
    found = [(place, text) for place, text in TEXTS if CHECKOUT.search(text)]
    assert found == []


@pytest.mark.parametrize(
    'place, command', COMMANDS, ids=[f'{p} {c}' for p, c in COMMANDS]
)
def test_a_command_in_a_message_exists(place, command):
    words = shlex.split(command)[1:]
    if not words or HOLE in words[0] or words[0].isupper():
        return  # the command alone, or any
    assert words[0] in {*SUBCOMMANDS, '--help', '--version'}, place
    parser = build_parser().commands[words[0]]
    for word in words[1:]:
        if word.startswith('--'):
            option = word.partition('=')[0]
            below = [parser, *parser.commands.values()]
            assert any(option in p._option_string_actions for p in below), (
                place,
                option,
            )
    if words[0] == 'data' and len(words) > 1:
        assert words[1] in parser.commands, place


def test_subcommands_named_without_backticks_exist():
    named = {
        (place, word) for place, text in TEXTS for word in BARE.findall(text)
    }
    wrong = [
        (place, word)
        for place, word in sorted(named)
        if word not in SUBCOMMANDS and word not in ('writes', 'in', 'from')
    ]
    assert len(named) > 20 and wrong == []


def test_examples_in_help_name_what_is_installed(tmp_path, monkeypatch):
    """From any folder: configs and suites are found by these names."""
    monkeypatch.chdir(tmp_path)
    for name in SUBCOMMANDS:
        text = ' '.join(
            text
            for place, text in TEXTS
            if place == f'ssl_bench/cli/{name}.py'
        )
        for config in re.findall(r'configs/[\w/]+\.py', text):
            assert find_config(config).is_relative_to(config_dir())
        for suite in re.findall(r'suites/[\w/]+\.yaml', text):
            assert read_suite(suite).methods
