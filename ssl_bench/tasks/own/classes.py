"""The list of classes that a user gives, one in a line."""

from collections import Counter
from collections.abc import Sequence

from ssl_bench.errors import UserError, one_line
from ssl_bench.tasks.layouts.text_lists import read_lines


def read_classes(path: str) -> tuple[str, ...]:
    """Read a list of classes.

    Args:
        path (str): One class in a line, in the order of the labels.

    Raises:
        UserError: It cannot be read, or names no class or one twice.
    """
    try:
        names = read_lines(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f'the list of classes {path} cannot be read: {one_line(error)}.'
        ) from error
    return check_classes(names, f'the list of classes {path}', alone=True)


def check_classes(
    names: Sequence[str], where: str, alone: bool = False
) -> tuple[str, ...]:
    """Refuse classes that nothing can be learnt of.

    Args:
        names (Sequence[str]): In the order of the labels.
        where (str): What names them.
        alone (bool): One class is enough, as where objects are found.

    Raises:
        UserError: None, one only, or one twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names:
        raise UserError(f'{where} names no class.')
    if twice:
        raise UserError(f'{where} names the class {twice[0]} twice.')
    if len(names) == 1 and not alone:
        raise UserError(
            f'{where} names one class only, {names[0]}: there is nothing to '
            'tell apart.'
        )
    return tuple(names)
