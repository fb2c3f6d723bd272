"""torchrun, for processes that save when they are told to stop.

    python -m ssl_bench.launch.torchrun [torchrun's arguments]

It is torchrun: the same arguments, rendezvous and processes. What differs:

- A signal (SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, Ctrl-C) goes to every process,
  which saves and ends; nothing is killed after 30 seconds. A second Ctrl-C or
  SIGTERM ends them at once.
- The exit code is that of the processes: 2 for a user's mistake, 75 when
  their work is saved.
- Their own messages are the only ones: no traceback of the launcher.
- The processes end when it is killed.
- Without ``--nnodes`` and ``--standalone`` it reads NNODES, NODE_RANK,
  MASTER_ADDR and PORT, as the scripts of OpenMMLab; one machine without PORT
  takes a free one.
"""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from torch.distributed import run as torchrun
from torch.distributed.elastic.agent.server import local_elastic_agent
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from ssl_bench.environment import STOP, require_port
from ssl_bench.errors import Interrupted, UserError
from ssl_bench.launch.parent import child_environment, end_with_parent
from ssl_bench.launch.stopping import ENDED_AS_ASKED, Stop, stoppable

SAVED = Interrupted.exit_code
FROM_SIGNAL = 128  # added to a signal's number, as shells do

if not hasattr(local_elastic_agent, 'start_processes'):
    raise ImportError(
        'this version of torch starts processes in another way, so '
        'ssl_bench could not pass signals on to them.'
    )
_start_processes = local_elastic_agent.start_processes


class _Ranks:
    """The processes that torchrun has started on this machine."""

    def __init__(self) -> None:
        self.handlers: Mapping[int, Any] = {}

    def start(self, *args: Any, **kwargs: Any) -> Any:
        """torchrun's, without its signal handlers and its hurry."""
        before = {number: signal.getsignal(number) for number in STOP}
        context: Any = _start_processes(*args, **kwargs)
        for number, handler in before.items():
            signal.signal(number, handler)
        self.handlers = context.subprocess_handlers
        poll = context._poll

        def patient_poll() -> Any:
            """Nothing is to be done while some have saved, some save."""
            codes = [rank.proc.poll() for rank in self.handlers.values()]
            waits = None in codes and not ENDED_AS_ASKED.isdisjoint(codes)
            return None if waits else poll()

        context._poll = patient_poll
        return context

    def signal(self, number: int) -> None:
        """Send a signal to every process that runs."""
        for handler in self.handlers.values():
            if handler.proc.poll() is None:
                handler.proc.send_signal(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the processes and wait for them.

    Args:
        arguments (sequence[str], optional): As torchrun's.

    Returns:
        int: The exit code.
    """
    end_with_parent()
    words = sys.argv[1:] if arguments is None else list(arguments)
    args = torchrun.parse_args([*rendezvous(words, os.environ), *words])
    if 'TORCH_LOGS' not in os.environ and 'LOGLEVEL' not in os.environ:
        logging.getLogger('torch.distributed').setLevel(logging.CRITICAL)
    # without an accelerator every process would start a thread per core
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    # torch's warnings of lost connections are pages of C++ frames
    os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')
    os.environ.update(child_environment())
    ranks = _Ranks()
    local_elastic_agent.start_processes = ranks.start

    def act(stop: Stop) -> None:
        if not ranks.handlers:
            raise KeyboardInterrupt
        if stop.at_once:
            ranks.signal(signal.SIGKILL)
            return
        ranks.signal(stop.to_children)

    with stoppable(act) as stop:
        try:
            _require_port(args)
            torchrun.run(args)
        except ChildFailedError as error:
            return exit_code(error.failures, stop)
        except KeyboardInterrupt:  # before there were processes
            ctrl_c = stop.asked in ('', 'SIGINT')
            return FROM_SIGNAL + signal.SIGINT if ctrl_c else SAVED
        except UserError as error:
            say(error)
            return error.exit_code
    return 0


def rendezvous(
    words: Sequence[str], environment: Mapping[str, str]
) -> list[str]:
    """How the processes find each other, where the arguments do not say it.

    Args:
        words (sequence[str]): Arguments of torchrun.
        environment (Mapping): Variables.
    """
    if any(word.startswith(('--standalone', '--nnodes')) for word in words):
        return []
    machines = environment.get('NNODES') or '1'
    port = environment.get('PORT')
    if machines == '1' and not port:
        return ['--standalone']
    return [
        f'--nnodes={machines}',
        f'--node_rank={environment.get("NODE_RANK") or 0}',
        f'--master_addr={environment.get("MASTER_ADDR") or "127.0.0.1"}',
        f'--master_port={port or 29500}',
    ]


def exit_code(failures: Mapping[int, Any], stop: Stop) -> int:
    """What the processes ended with.

    Args:
        failures (Mapping): torchrun's, by rank.
        stop (Stop): What this launcher was asked.

    Returns:
        int: `SAVED` if that is why they ended, or if they had not begun;
        otherwise the code of the first that failed.
    """
    rank, first = min(failures.items(), key=lambda item: item[1].timestamp)
    codes = [failure.exitcode for failure in failures.values()]
    if SAVED in codes and (stop.asked or first.exitcode == SAVED):
        return SAVED
    begun = not all(-code in STOP for code in codes)
    if not begun and stop.asked not in ('', 'SIGINT'):
        return SAVED  # while they imported the toolkits
    if first.exitcode >= 0:
        return first.exitcode
    number = -first.exitcode
    if not stop.asked:
        reason = (
            ': the machine may have run out of memory'
            if number == signal.SIGKILL
            else ''
        )
        say(f'rank {rank} was ended by {_name(number)}{reason}')
    return FROM_SIGNAL + number


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


def _require_port(args: Any) -> None:
    """Check the port that the first machine listens on.

    Raises:
        UserError: It is in use.
    """
    static = args.rdzv_backend == 'static' and not args.rdzv_endpoint
    first = str(args.node_rank) == '0'
    if static and first and not args.standalone and args.master_port:
        require_port(int(args.master_port))


def say(text: object) -> None:
    """A line on the terminal."""
    sys.stderr.write(f'ssl-bench: {text}\n')


if __name__ == '__main__':
    sys.exit(main())
