"""Work that processes share: one does it for all, or each does a part."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any, TypeVar

import torch
from mmengine import dist

from ssl_bench.engine.stopping import EndNow, stopped
from ssl_bench.errors import UserError

Result = TypeVar('Result')
# one process may work for hours while the others wait for its result
WAIT = timedelta(days=30)


@lru_cache(maxsize=1)
def _patient_group(world: Any) -> Any:
    """All processes, in a group that does not give up after minutes.

    Args:
        world (ProcessGroup): The default one, whose life the group shares.
    """
    return torch.distributed.new_group(backend='gloo', timeout=WAIT)


def from_all(make: Callable[[], Any]) -> list[Any]:
    """Compute in every process; every process gets all results.

    Args:
        make (Callable): Gives something small, which is pickled.

    Returns:
        list: Of each process, in the order of their ranks.

    Raises:
        UserError: In every process, when one of them raised one: the first
            by rank. An `Interrupted` when a signal ended one.
    """
    result: Any = None
    failure: UserError | None = None
    try:
        result = make()
    except UserError as error:
        failure = error
    except EndNow as end:
        failure = stopped(end, 'The same command')
    if not dist.is_distributed():
        found = [(result, failure)]
    else:
        found = [(None, None)] * dist.get_world_size()
        torch.distributed.all_gather_object(
            found,
            (result, failure),
            group=_patient_group(torch.distributed.group.WORLD),
        )
    for _, failure in found:
        if failure is not None:
            raise failure
    return [value for value, _ in found]


def on_main_process(make: Callable[[], Any]) -> Any:
    """Compute in the first process; every process gets the result.

    Raises:
        UserError: In every process, when the first raised one.
    """
    return from_all(lambda: make() if dist.is_main_process() else None)[0]


def each(make: Callable[[], Result]) -> Result:
    """Compute in every process; each keeps its own result.

    Raises:
        UserError: As `from_all`.
    """
    kept: list[Result] = []
    from_all(lambda: kept.append(make()))
    return kept[0]


def mine(items: Any) -> Any:
    """This process's part of a list, dealt to the processes in turn."""
    return items[dist.get_rank() :: dist.get_world_size()]


def dealt(parts: list[list[Any]]) -> list[Any]:
    """The list whose parts, by rank, `mine` gave.

    Args:
        parts (list[list]): Of each process, as `from_all` returns them.
    """
    joined: list[Any] = [None] * sum(map(len, parts))
    for rank, part in enumerate(parts):
        joined[rank :: len(parts)] = part
    return joined
