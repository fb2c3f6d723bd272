"""docs/troubleshooting.md quotes messages that the program has."""

import ast
import re
from functools import cache

import pytest

from ssl_bench.cli import build_parser
from tests.docs.pages import ROOT

PAGE = ROOT / 'docs/troubleshooting.md'
FIELD = '\0'  # what an f-string puts in


@cache
def texts():
    """Every text of the package, with a mark for each value put in."""
    found = set()
    for path in (ROOT / 'ssl_bench').rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.JoinedStr):
                found.add(
                    ''.join(
                        part.value if isinstance(part, ast.Constant) else FIELD
                        for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(
                node.value, str
            ):
                found.add(node.value)
    return found


def messages():
    """What the first cells of the tables quote."""
    rows = re.findall(r'^\| (`.+?`)[^|]*\|', PAGE.read_text(), re.M)
    return [re.match(r'``? ?(.+?) ?`+$', row)[1] for row in rows]


def is_said(message):
    """Whether the pieces around ``...`` stand in one text, in order."""
    pieces = [piece for piece in re.split(r' ?\.\.\.,? ?', message) if piece]
    pattern = re.compile('.*'.join(map(re.escape, pieces)), re.S)
    return any(pattern.search(text) for text in texts())


MESSAGES = [
    message
    for message in messages()
    if not re.match(r'(schema|version|state|checks)', message)
]


@pytest.mark.parametrize('message', MESSAGES)
def test_a_quoted_message_is_in_the_package(message):
    assert is_said(message)


def test_messages_are_found_and_others_are_not():
    assert len(MESSAGES) > 30
    assert is_said('Did you mean ...?')
    assert not is_said('this message is nowhere')
    assert not is_said('allow more ... loader workers need about'), (
        'the order counts'
    )


def test_options_named_on_the_page_exist():
    parser = build_parser()
    commands = next(
        action.choices for action in parser._actions if action.choices
    )
    known = {
        option
        for command in commands.values()
        for action in command._actions
        for option in action.option_strings
    }
    # of pip, docker and the shell
    known |= {'--force-reinstall', '--no-deps', '--shm-size'}
    named = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', PAGE.read_text()))
    data = {'--decode', '--data'}  # of `data check`, and of `pretrain`
    assert named - known - data == set()
