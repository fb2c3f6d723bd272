"""A command ends with the process that started it.

A runner or launcher that is killed cannot end what it started. So those
processes watch their parent, and stop as for SIGTERM when it is gone: they
save their work and end.
"""

import os
import signal
import sys
import threading
import time

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
        watch(int(asked))
    elif ELASTIC in os.environ:
        watch(os.getppid())


def watch(parent: int) -> None:
    """Send this process SIGTERM when another process is its parent.

    Args:
        parent (int): Process number of the one that started it.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK)
        sys.stderr.write(
            'ssl-bench: the process that started this one has ended; '
            'this one stops.\n'
        )
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()
