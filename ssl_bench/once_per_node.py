"""One process of a machine reads, the others map what it has read."""

import logging
import mmap
import os
import pickle
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mmengine.dist import all_gather_object, barrier, get_rank, get_world_size

from ssl_bench.errors import UserError
from ssl_bench.run_folder import from_first

Value = TypeVar('Value')
ALIGNED = 64  # bytes
BOOT = Path('/proc/sys/kernel/random/boot_id')


class Lent(NamedTuple):
    """Where other processes find a value.

    Attributes:
        path (str): File in memory that holds its arrays.
        form (bytes): The value without its arrays, pickled. It comes from a
            process of this run, never from a file.
        places (list): First byte and end of each array.
    """

    path: str
    form: bytes
    places: list[tuple[int, int]]


def once_per_node(read: Callable[[], Value]) -> Value:
    """What `read` gives, with arrays that the processes of a node share.

    Every process must call this at the same time. The arrays lie in a file
    that has no name, in memory: nothing is left when the processes end, and
    nothing of an earlier run is ever read. They cannot be written to.

    Args:
        read (Callable): Called in one process of each node.

    Raises:
        UserError: One of the processes could not read.
    """
    if get_world_size() == 1 or not hasattr(os, 'memfd_create'):
        return read()
    nodes = all_gather_object(_node())
    reader = nodes.index(nodes[get_rank()])
    file = -1
    news: Lent | Exception | None = None
    if reader == get_rank():
        try:
            file, news = _lend(read())
        except Exception as error:  # the others wait for a word
            news = error
    all_news = all_gather_object(news)
    if isinstance(news, Exception):
        raise news
    for other in all_news:
        if isinstance(other, Exception):
            raise UserError(str(other))
    try:
        value = _borrow(all_news[reader])
    except OSError as error:
        logging.getLogger(__name__).warning(
            'cannot share memory with process %d (%s): reading again',
            reader,
            error,
        )
        value = read()
    barrier()
    if file >= 0:
        os.close(file)
    return value


def once(read: Callable[[], Value]) -> Value:
    """`once_per_node`, read in the first process of all nodes alone.

    The other nodes get a copy, so all processes have the same value, also
    where their disks differ.

    Args:
        read (Callable): Called in the first process.

    Raises:
        UserError: The first process could not read.
    """
    if get_world_size() == 1:
        return read()
    if len(set(all_gather_object(_node()))) > 1:
        value: Any = from_first(read)
        return once_per_node(lambda: value)
    return once_per_node(read)


def _node() -> tuple[str, int]:
    """The same in all processes that see each other's open files."""
    if not BOOT.exists():  # not Linux: nothing is shared
        return platform.node(), 0
    return BOOT.read_text(), os.stat('/proc/self/ns/pid').st_ino


def _lend(value: object) -> tuple[int, Lent]:
    """A file in memory, to be closed when all have mapped it."""
    buffers: list[pickle.PickleBuffer] = []
    form = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    number = os.memfd_create('ssl_bench')
    places = []
    with os.fdopen(os.dup(number), 'wb') as file:
        for buffer in buffers:
            file.write(bytes(-file.tell() % ALIGNED))
            start = file.tell()
            file.write(buffer.raw())
            places.append((start, file.tell()))
        file.write(bytes(1))  # an empty file cannot be mapped
    return number, Lent(f'/proc/{os.getpid()}/fd/{number}', form, places)


def _borrow(lent: Lent) -> Any:
    with open(lent.path, 'rb') as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    arrays = [data[start:end] for start, end in lent.places]
    return pickle.loads(lent.form, buffers=arrays)
