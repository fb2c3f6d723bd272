"""Own images with masks of labels."""

from collections.abc import Sequence

from ssl_bench.errors import UserError
from ssl_bench.tasks.own.data import OwnData, OwnSplit


def read(
    train: OwnSplit, val: OwnSplit, classes: Sequence[str], name: str
) -> OwnData:
    """Not built yet.

    Raises:
        UserError: Always.
    """
    raise UserError('masks are not read yet')
