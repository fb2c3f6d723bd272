"""Processes of a run tell each other that they live.

A process that is stopped, or whose machine is gone, leaves the others in a
collective that ends after hours or never. Here each process counts upwards
in the run's store, in a thread of its own, and looks at the counts of the
others. One that works for long on something of its own (the scores of COCO,
the list of ImageNet) goes on counting, so the limit can be short.
"""

import atexit
import os
import re
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Any

TIMED_OUT = re.compile('timed? ?out', re.IGNORECASE)
ENDED = 2**40  # added to the count of a process that ends as it should


class Heartbeat:
    """Counts for this process, watches the others, ends this one.

    Args:
        store (Store): That all processes of the run share.
        rank (int): Of this process.
        world (int): Processes.
        limit (float): Seconds without a sign of another process after which
            this one ends with code 1 and a message.
        address (str): Of the store, for the message.
    """

    def __init__(
        self, store: Any, rank: int, world: int, limit: float, address: str
    ) -> None:
        self.store, self.rank, self.limit = store, rank, limit
        self.others = [other for other in range(world) if other != rank]
        self.address = address
        self.interval = min(10.0, max(0.1, limit / 20))
        self.counts = dict.fromkeys(self.others, 0)
        self.names: dict[int, str] = {}
        self.answered = time.monotonic()
        self.seen = dict.fromkeys(self.others, self.answered)
        self.over = threading.Event()
        self.pid = os.getpid()

    def start(self) -> None:
        """Count and watch from now until the process ends."""
        self.store.set(
            f'name{self.rank}',
            f'process {os.getpid()} on {socket.gethostname()}',
        )
        self.store.add(str(self.rank), 1)
        atexit.register(self.stop)
        for work in (self._count, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def stop(self) -> None:
        """Tell the others that this process ends as it should."""
        if self.over.is_set() or os.getpid() != self.pid:
            return
        self.over.set()
        with suppress(Exception):  # the store can have ended before
            self.store.add(str(self.rank), ENDED)

    def _count(self) -> None:
        while not self.over.wait(self.interval):
            try:
                self.store.add(str(self.rank), 1)
                for other in self.others:
                    self._look_at(other)
                self.answered = time.monotonic()
            except Exception as error:
                if TIMED_OUT.search(str(error)):  # `_watch` sees it
                    continue
                # what had the store has ended, which others notice, too: the
                # launcher, the collectives, `launch.parent`
                self.over.set()

    def _look_at(self, other: int) -> None:
        count = self.store.add(str(other), 0)  # `get` would wait for it
        if count != self.counts[other] or count >= ENDED:
            self.counts[other], self.seen[other] = count, time.monotonic()
        if count and other not in self.names:
            self.names[other] = self.store.get(f'name{other}').decode()

    def _watch(self) -> None:
        woke = time.monotonic()
        while not self.over.wait(self.interval):
            now = time.monotonic()
            if now - woke > max(5.0, 5 * self.interval):
                # this process was stopped itself, maybe the whole job
                self.answered = now
                self.seen = dict.fromkeys(self.others, now)
            woke = now
            if now - self.answered > self.limit:
                self._end(
                    f'the processes of this run cannot be asked at '
                    f'{self.address}: rank 0 or its launcher is stopped or '
                    'its machine cannot be reached'
                )
            silent = [
                other
                for other in self.others
                if now - self.seen[other] > self.limit
            ]
            if silent and self.answered > min(
                self.seen[other] for other in silent
            ):
                self._end(self._describe(silent), silent)

    def _describe(self, silent: list[int]) -> str:
        names = [
            f'rank {other} ({self.names.get(other, "never seen")})'
            for other in silent
        ]
        more = len(names) - 4
        text = ', '.join(names[:4]) + (f' and {more} more' if more > 0 else '')
        verb = 'does' if len(names) == 1 else 'do'
        return f'{text} {verb} not answer: stopped, or out of reach'

    def _end(self, what: str, silent: list[int] | None = None) -> None:
        """Say why, in the first process that can, and end this one."""
        speaker = min(
            other
            for other in [self.rank, *self.others]
            if other not in (silent or self.others)
        )
        if speaker == self.rank:
            sys.stderr.write(
                f'ssl-bench: {what}, since {self.limit:g} s. Rank {self.rank} '
                'ends the run; the same command (a pretraining: with '
                '--resume) goes on from the newest checkpoint. '
                'SSL_BENCH_RANK_TIMEOUT=SECONDS waits longer.\n'
            )
            sys.stderr.flush()
        else:  # the launcher ends all when one has ended
            time.sleep(2 * self.interval)
        os._exit(1)
