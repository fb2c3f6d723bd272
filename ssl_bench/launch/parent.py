"""A command ends with the process that started it.

A runner or launcher that is killed cannot end what it started. So those
processes watch their parent, and stop as for SIGTERM when it is gone: they
save their work and end.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

PARENT = 'SSL_BENCH_PARENT'  # its process number, for a child
ELASTIC = 'TORCHELASTIC_RUN_ID'  # torchrun sets it for its processes
LOOK = 1.0  # seconds between two looks
GRACE = 600.0  # seconds to save in


_asked: list[str] = []  # what `PARENT` was


def own_parent() -> dict[str, str]:
    """Environment variables of a program that replaces this one."""
    return {PARENT: _asked[0]} if _asked else {}


def child_environment() -> dict[str, str]:
    """Environment variables of a child that is to end with this process."""
    return {PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """Watch the parent if it asked for it, or if it is torchrun."""
    asked = os.environ.pop(PARENT, '')
    if asked:
        _asked.append(asked)
        end_after(lambda: _wait_for(int(asked)))
    elif ELASTIC in os.environ:
        torchrun = os.getppid()
        end_after(lambda: _wait_for(torchrun))


def _wait_for(parent: int) -> None:
    """Return when another process is the parent of this one."""
    while os.getppid() == parent:
        time.sleep(LOOK)


def end_after(wait: Callable[[], Any]) -> None:
    """Send this process SIGTERM when a function returns.

    Args:
        wait (Callable): Called in a thread; it returns when the process that
            started this one has ended.
    """

    def end() -> None:
        wait()
        try:
            os.write(
                2,
                b'ssl-bench: the process that started this one has ended; '
                b'this one stops.\n',
            )
        except OSError:  # it read this: a later line would fail, too
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(nowhere, stream)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
