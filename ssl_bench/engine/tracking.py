"""Numbers of a run for TensorBoard, MLflow and Weights & Biases.

Nothing of this is in a config: who watches a run does not change it.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from ssl_bench.engine.trackers import Fields, MLflow, TensorBoard, Wandb
from ssl_bench.environment import trackers
from ssl_bench.errors import Interrupted, one_line
from ssl_bench.run_folder import note

BACKENDS = dict(mlflow=MLflow, wandb=Wandb)
MAX_WAITING = 1000  # lines of the log that are not sent yet
PATIENCE = 60.0  # seconds for these at the end of a run
IMPATIENCE = 5.0  # if the last one could not be sent, or after a signal


class Sender:
    """A backend that mmengine's visualizer calls and that holds nothing up.

    A thread sends what it is given. What cannot be sent is said once and
    left out; the next lines are tried again.

    Args:
        name (str): For messages.
        backend: Of `trackers`.
    """

    def __init__(self, name: str, backend: Any) -> None:
        self.name, self.backend = name, backend
        self.waiting: queue.Queue = queue.Queue(MAX_WAITING)
        self.thread: threading.Thread | None = None
        self.down, self.lost = False, 0

    def add_scalars(
        self, scalar_dict: Mapping[str, Any], step: int = 0, *_: Any, **__: Any
    ) -> None:
        """Take a line of the log."""
        numbers = {
            key: float(value)
            for key, value in scalar_dict.items()
            if isinstance(value, Real)
        }
        if self.thread is None:
            self.thread = threading.Thread(target=self._work, daemon=True)
            self.thread.start()
        self._put('add_scalars', numbers, step)

    def add_scalar(self, *_: Any, **__: Any) -> None:
        """Numbers come in lines."""

    add_config = add_graph = add_image = add_scalar

    def close(self) -> None:
        """Of mmengine, after training; a run that tests goes on."""

    def end(self, status: str) -> None:
        """Wait a while until all is sent; say what is not.

        Args:
            status (str): ``FINISHED``, ``FAILED`` or ``KILLED``.
        """
        if self.thread is None:
            return
        self._put('end', status)
        self._put('')
        self.thread.join(
            IMPATIENCE if self.down or status == 'KILLED' else PATIENCE
        )
        lost = self.lost + self.waiting.qsize()
        if lost or self.thread.is_alive():
            note(
                f'{self.name} did not get all of this run ({lost} lines); '
                'scalars.json in its folder has it.'
            )

    def _put(self, *call: Any) -> None:
        try:
            self.waiting.put_nowait(call)
        except queue.Full:
            self.lost += 1

    def _work(self) -> None:
        while True:
            method, *arguments = self.waiting.get()
            if not method:
                return
            try:
                getattr(self.backend, method)(*arguments)
            except Exception as error:  # of any library
                self.lost += 1
                if not self.down:
                    note(
                        f'{self.name} does not take the log: '
                        f'{one_line(error) or repr(error)}. The run goes on.'
                    )
                self.down = True
            else:
                self.down = False


class Tracking:
    """The trackers of a run, in its first process.

    Args:
        folder (Path): Of the run.
        title (str): Its name.
        fields (Mapping): What is run.
        names (list[str]): Of `environment.trackers`.
    """

    def __init__(
        self, folder: Path, title: str, fields: Fields, names: list[str]
    ) -> None:
        self.senders = [
            Sender(name, BACKENDS[name](folder, title, fields))
            for name in names
        ]
        self.step = 0

    def attach(self, runner: Runner) -> None:
        """Send every line of a runner's log, to event files too."""
        if not is_main_process():
            return
        events = Path(runner.log_dir) / 'vis_data'
        self.senders.append(Sender('TensorBoard', TensorBoard(events)))
        for sender in self.senders:
            runner.visualizer._vis_backends[sender.name] = sender

    def result(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Send what was measured at the end, as ``result/NAME``."""
        numbers = {f'result/{name}': n for name, n in metrics.items()}
        for sender in self.senders:
            sender.add_scalars(numbers, step)

    def end(self, status: str) -> None:
        """End all; see `Sender.end`."""
        for sender in self.senders:
            sender.end(status)


@contextmanager
def tracked(
    folder: str | Path, title: str, fields: Callable[[], Fields]
) -> Iterator[Tracking]:
    """The trackers of a run, while it runs.

    Args:
        folder (str | Path): Of the run.
        title (str): Its name.
        fields (Callable): Gives what is run; called if it is asked for.

    Raises:
        UserError: As `environment.trackers`.
    """
    names = trackers()
    if not is_main_process():
        names = []
    tracking = Tracking(Path(folder), title, fields() if names else {}, names)
    status = 'FAILED'
    try:
        yield tracking
        status = 'FINISHED'
    except (Interrupted, KeyboardInterrupt):
        status = 'KILLED'
        raise
    finally:
        tracking.end(status)
