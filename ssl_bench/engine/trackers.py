"""Backends of mmengine for trackers, as a run of this project uses them.

They are called from one thread of their own (`tracking.Sender`) and may
raise: who calls them goes on without.
"""

import contextlib
import importlib
import logging
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from mmengine.visualization.vis_backend import (
    MLflowVisBackend,
    TensorboardVisBackend,
    WandbVisBackend,
)

from ssl_bench.files import write_text

PROJECT = 'ssl_bench'  # of W&B, and the experiment of MLflow
ODD = re.compile(r'[^\w./ -]')  # what MLflow takes in no name
Fields = Mapping[str, str | int | float]
Numbers = Mapping[str, float]


class TensorBoard(TensorboardVisBackend):
    """Event files next to ``scalars.json``.

    Args:
        folder (Path): Where they go.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        # a name of TensorBoard's own: it would import TensorFlow, where there
        # is one, for seconds, and use nothing of it
        name = 'tensorboard.compat.notf'
        sys.modules.setdefault(name, ModuleType(name))
        # here: a loader may fork its workers while another thread imports
        importlib.import_module('torch.utils.tensorboard')

    def end(self, status: str) -> None:
        """Write what waits."""
        self.close()


class MLflow(MLflowVisBackend):
    """A run of the server that MLflow's own variables name.

    Args:
        folder (Path): Of the run; it keeps the id, so that a run that is
            resumed goes on as one.
        title (str): Name of the run.
        fields (Mapping): What is run.
    """

    def __init__(self, folder: Path, title: str, fields: Fields) -> None:
        super().__init__(str(folder))
        self.folder, self.title, self.fields = folder, title, fields
        # a server that is down is noticed within a minute, not within five
        os.environ.setdefault('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '2')
        os.environ.setdefault('MLFLOW_HTTP_REQUEST_TIMEOUT', '20')
        # the last line of a command is for who reads it, or a script
        os.environ.setdefault('MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT', 'true')
        importlib.import_module('mlflow')
        logging.getLogger('mlflow').setLevel(logging.WARNING)
        # a line for each retry of each line of the log; ours says it once
        logging.getLogger('urllib3.connectionpool').setLevel(logging.ERROR)

    def _init_env(self) -> None:
        """Begin the run, or go on with it."""
        import mlflow

        # mmengine's would write files and not go to the server
        self._mlflow = mlflow
        mlflow.set_experiment(
            os.environ.get('MLFLOW_EXPERIMENT_NAME') or PROJECT
        )
        kept = kept_id(self.folder / 'mlflow_run')
        if kept:
            with contextlib.suppress(mlflow.MlflowException):
                mlflow.start_run(run_id=kept)
                return
        # none yet, or it is of another server
        run = mlflow.start_run(run_name=self.title)
        write_text(self.folder / 'mlflow_run', run.info.run_id)
        mlflow.log_params(dict(self.fields))

    def add_scalars(self, scalar_dict: Numbers, step: int = 0, **_) -> None:
        """Send a line of the log; mmengine's hides that it was not sent."""
        numbers = {ODD.sub('_', key): n for key, n in scalar_dict.items()}
        self.experiment.log_metrics(numbers, step)

    def end(self, status: str) -> None:
        """End the run, with its config.

        Args:
            status (str): ``FINISHED``, ``FAILED`` or ``KILLED``.
        """
        for path in sorted(self.folder.glob('*.py')):
            self.experiment.log_artifact(str(path))
        self.experiment.end_run(status)


class Wandb(WandbVisBackend):
    """A run of Weights & Biases.

    Args:
        folder, title, fields: As of `MLflow`.
    """

    def __init__(self, folder: Path, title: str, fields: Fields) -> None:
        super().__init__(str(folder))
        self.folder, self.title, self.fields = folder, title, fields
        importlib.import_module('wandb')

    def _init_env(self) -> None:
        """Begin the run, or go on with it."""
        import wandb

        self._wandb = wandb
        run = wandb.init(
            project=os.environ.get('WANDB_PROJECT') or PROJECT,
            name=self.title,
            id=kept_id(self.folder / 'wandb_run') or None,
            resume='allow',
            dir=str(self.folder),
            config=dict(self.fields),
            # the run's own log has what it prints
            settings=wandb.Settings(console='off', silent=True),
        )
        write_text(self.folder / 'wandb_run', run.id)
        # not by the number of calls: a resumed run repeats some iterations
        run.define_metric('*', step_metric='iteration')

    def add_scalars(self, scalar_dict: Numbers, step: int = 0, **_) -> None:
        """Send a line of the log."""
        self.experiment.log({**scalar_dict, 'iteration': step})

    def end(self, status: str) -> None:
        """End the run."""
        self.experiment.finish(int(status != 'FINISHED'))


def kept_id(path: Path) -> str:
    """The id that an earlier part of the run left; empty if none."""
    return path.read_text().strip() if path.is_file() else ''
