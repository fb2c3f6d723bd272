"""Words of several commands: ``--cfg-options``, as OpenMMLab's, and seeds."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ssl_bench.errors import UserError, one_line

HELP = (
    '(as in OpenMMLab: KEY=a,b or KEY=[a,b] is a list, KEY=(a,b) a tuple, '
    'KEY=None no value; numbers, true and false are read as such, also in '
    'quotes; a dict is set key by key; spaces are removed, except in a text '
    'in quotes: \'KEY="a b"\')'
)


SEEDS = 2**32  # what numpy takes is below this


def seed_number(text: str) -> int:
    """A seed on the command line.

    Raises:
        ArgumentTypeError: Not a whole number from 0 to ``SEEDS`` - 1.
    """
    if not (text.isdecimal() and len(text) < 11 and int(text) < SEEDS):
        raise argparse.ArgumentTypeError(
            f'{one_line(text)} is not a whole number from 0 to {SEEDS - 1}'
        )
    return int(text)


def add_cfg_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare ``--cfg-options``; its words are read by `read_options`.

    mmengine's `DictAction` would do both, but importing it takes seconds.

    Args:
        parser (ArgumentParser): Of a command.
        what (str): What the options do.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',  # more than once, as mmengine's
        default=[],
        metavar='KEY=VALUE',
        help=f'{what} {HELP}',
    )


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` words with mmengine's `DictAction`.

    One thing is different: `DictAction` removes all spaces, so a text with
    spaces, such as a path, has to be in quotes and is then kept as it is.

    Raises:
        UserError: A word without ``=``, brackets that do not match, or a
            text with spaces without quotes.
    """
    from mmengine.config import DictAction

    namespace = argparse.Namespace(options={})
    action = DictAction(['--cfg-options'], 'options', nargs='+')
    for word in words:
        key, equals, text = word.partition('=')
        if not (equals and key):
            raise UserError(f'--cfg-options takes key=value, got {word!r}.')
        inner = text.strip('\'"')
        if ' ' in inner and ',' not in inner and inner[0] not in '([':
            if inner == text:
                raise UserError(
                    f'--cfg-options {word!r} has a space: write it in quotes, '
                    f'{key}="{text}".'
                )
            namespace.options[key] = inner
            continue
        try:
            action(argparse.ArgumentParser(), namespace, [word])
        except AssertionError as error:
            raise UserError(f'--cfg-options {word!r}: {error}.') from error
    return namespace.options


def option_words(options: Mapping[str, Any]) -> list[str]:
    """``--cfg-options`` and its words, so that `read_options` finds these.

    Raises:
        UserError: A value that cannot be written as such a word.
    """
    words = []
    for key, value in _single(options):
        quoted = isinstance(value, str) and ' ' in value
        word = f'{key}="{value}"' if quoted else f'{key}={value}'
        if read_options([word]) != {key: value}:
            raise UserError(
                f'{key} cannot be set to {value!r} by an option: set it in a '
                'config.'
            )
        words.append(word)
    return ['--cfg-options', *words] if words else []


def _single(
    options: Mapping[str, Any], prefix: str = ''
) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; of a dict that is not empty, its own."""
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _single(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value
