"""Do two lists of classes hold the same ones?"""

from collections.abc import Sequence

from ssl_bench.errors import UserError

Named = tuple[str, Sequence[str]]  # where classes are, and their names


def same_classes(one: Named, other: Named, remedy: str = '') -> None:
    """Refuse classes that are in one place only; their order may differ.

    Args:
        one, other (Named): The places and their classes.
        remedy (str): What to do about it.

    Raises:
        UserError: Names the first that is not in both.
    """
    places = dict((one, other))
    only = {
        place: sorted({*names} - {*rest})
        for (place, names), rest in zip((one, other), (other[1], one[1]))
    }
    for place, names in only.items():
        if names:
            counts = ' and '.join(
                f'{len(found)} in {where}' for where, found in places.items()
            )
            raise UserError(
                f'the classes differ ({counts}): {names[0]!r} is in {place} '
                f'alone. {remedy or "Give both the same classes."}'
            )
