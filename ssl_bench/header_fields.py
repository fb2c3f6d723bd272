"""Header fields that a user can fill in: ``--meta KEY=VALUE``."""

import math
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError, one_line, printable, unknown_name

SUFFIX = '.backbone.safetensors'  # of the files whose header it is
FIELDS = (
    'method',
    'variant',
    'pretrain_data',
    'pretrain_epochs',
    'pretrain_batch',
    'config',
    'convention',
)
# decides how the network is run: a record of another one is another run
RUN = ('convention',)
# what a record repeats of the header, and a correction can be of
RECORDED = tuple(key for key in FIELDS if key not in RUN)
NUMBERS = ('pretrain_epochs', 'pretrain_batch')
MAX_DIGITS = 16  # of these: more are no number of epochs or images
# what a pretraining of this project counts itself
COUNTED = ('pretrain_data', *NUMBERS)
# without these a number meets no published one
NEEDED = ('method', 'pretrain_data', 'pretrain_epochs')
EXAMPLES = dict(
    method='"MoCo v2"', pretrain_data='IN1K', pretrain_epochs='200'
)
GIVEN = 'given by the user'
# of the cost that a pretraining of this project measured
COST_NUMBERS = (
    'train_seconds',
    'images_per_second',
    'peak_memory_mib',
    'gpu_hours',
    'world_size',
)


def add_option(
    parser: ArgumentParser, about: str, fields: Sequence[str] = FIELDS
) -> None:
    """Declare ``--meta`` of a subcommand.

    Args:
        parser (ArgumentParser): Of the subcommand.
        about (str): What the option says, for its help.
        fields (Sequence[str]): Those that it takes.
    """
    parser.add_argument(
        '--meta',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help=f'{about}: {", ".join(fields)}',
    )


def read_fields(words: Sequence[str]) -> dict[str, Any]:
    """`words_of`, of fields that a header has.

    Raises:
        UserError: As `words_of`, or there is no such field.
    """
    return check_fields(words_of(words))


def words_of(words: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` words; epochs and batch are numbers.

    Raises:
        UserError: A word has no ``=``, or a number is none.
    """
    fields: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition('=')
        if not equals:
            raise UserError(f'--meta {word}: expected KEY=VALUE')
        if key in NUMBERS:
            if not (value.isdecimal() and len(value) < MAX_DIGITS):
                raise UserError(
                    f'--meta {one_line(word)}: expected a whole number'
                )
            fields[key] = int(value)
        else:
            fields[key] = value.strip()
    return fields


def check_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse fields that a header does not have.

    Raises:
        UserError: Names the nearest.
    """
    for key in fields:
        if key not in FIELDS:
            raise unknown_name('header field', key, FIELDS)
    return dict(fields)


def give_fields(
    meta: dict[str, Any], fields: Mapping[str, Any], path: str | Path
) -> None:
    """Write what the user says into a header.

    Args:
        meta (dict): The header, changed in place.
        fields (Mapping): As `read_fields` gives them.
        path (str | Path): The checkpoint, for messages.

    Raises:
        UserError: Its own pretraining counted the value, and it is another.
    """
    for key, value in check_fields(fields).items():
        if key in COUNTED and meta.get('read') and meta.get(key) != value:
            raise UserError(
                f'{path}: {key} is {meta.get(key)!r}, as its pretraining '
                f'recorded; {value!r} cannot replace it. Leave --meta '
                f'{key}=... out.'
            )
    meta.update(fields)
    meta.setdefault('sources', {}).update(dict.fromkeys(fields, GIVEN))


def missing_fields(meta: Mapping[str, Any]) -> list[str]:
    """Fields that a comparison with published numbers needs and lacks."""
    return [key for key in NEEDED if meta.get(key) in (None, '')]


def given_fields(meta: Mapping[str, Any]) -> list[str]:
    """Fields that the user gave, sorted."""
    sources = meta.get('sources') or {}
    return sorted(key for key, where in sources.items() if where == GIVEN)


def cost_of(found: Any) -> dict[str, Any]:
    """The cost that a file says of its pretraining, for a record.

    Raises:
        ValueError: It is not what a pretraining writes.
    """
    if not isinstance(found, Mapping):
        raise ValueError('the cost is no mapping')
    cost: dict[str, Any] = {name: found.get(name) for name in COST_NUMBERS}
    for name, value in cost.items():
        if value is not None and not (
            type(value) in (int, float) and 0 <= value < 10**MAX_DIGITS
        ):
            raise ValueError(f'{name} of the cost is {one_line(repr(value))}')
    if type(cost['world_size']) not in (int, type(None)):
        raise ValueError(f'{cost["world_size"]} processes')
    device = found.get('device')
    if not isinstance(device, (str, type(None))):
        raise ValueError('the device of the cost is no text')
    return dict(cost, device=device)


MOST_TEXT, MOST_ITEMS = 2000, 200  # of one value that a file of others has


def tidy(value: Any, levels: int = 4) -> Any:
    """A header's value from a file of others: printable, and cut.

    Numbers that are none of epochs or images become None.

    Args:
        value: Plain data, as JSON or a checkpoint gives it.
        levels (int): Lists and dicts inside one another that are kept.
    """
    if isinstance(value, str):
        return printable(value[:MOST_TEXT])
    if isinstance(value, Mapping):
        items = list(value.items())[: MOST_ITEMS * bool(levels)]
        return {tidy(str(k)): tidy(v, levels - 1) for k, v in items}
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [
            tidy(v, levels - 1) for v in value[: MOST_ITEMS * bool(levels)]
        ]
    return value
