"""The answer of any two rows that are compared with each other."""

from ssl_bench.results import stats
from ssl_bench.results.table import Board, Group, Pair, Row


class Pairs:
    """Finds the comparison of two rows of a board.

    Args:
        board (Board): With its groups.
    """

    def __init__(self, board: Board) -> None:
        self._places = {
            id(row): (group, i)
            for group in board.groups
            for i, row in enumerate(group.rows)
        }
        self._tests: dict[int, dict[Pair, tuple[stats.Family, int]]] = {}

    def between(self, row: Row, other: Row) -> stats.Comparison | None:
        """What the tests say of ``row`` against ``other``.

        Returns:
            Comparison | None: None where they are not compared: another
            task, metric, protocol or backbone.
        """
        group, i = self._places.get(id(row), (None, 0))
        same, j = self._places.get(id(other), (None, 0))
        if group is None or group is not same:
            return None
        tests = self._tests.get(id(group))
        if tests is None:
            tests = self._tests[id(group)] = _by_pair(group)
        found, turned = tests.get((i, j)), False
        if found is None:
            found, turned = tests.get((j, i)), True
        if found is None:
            return None
        family, k = found
        comparison: stats.Comparison = family[k]
        return comparison.turned() if turned else comparison


def _by_pair(group: Group) -> dict[Pair, tuple[stats.Family, int]]:
    return {
        pair: (family, k)
        for pairs, family in group.tested
        for k, pair in enumerate(pairs)
    }
