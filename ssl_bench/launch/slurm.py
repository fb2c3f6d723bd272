"""Submit commands to Slurm with submitit, in the order they depend on."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.files import atomic_path
from ssl_bench.launch.local import Command
from ssl_bench.launch.suite import Launch

SUBMITTED = 'submitted.json'


class Job:
    """One command as a Slurm job: one torchrun on each of its nodes.

    A job that Slurm preempts, or whose time is over, is queued again. It
    continues, since every command continues an interrupted run.
    """

    def __init__(self, command: Command, processes: int) -> None:
        self.command = command
        self.processes = processes

    def __call__(self) -> None:
        """Run inside the job.

        Raises:
            RuntimeError: The command failed, so that what waits for this job
                does not start.
        """
        import submitit

        here = submitit.JobEnvironment()
        words = self.command.argv(self.processes)
        if here.num_nodes > 1:
            # jobs that share a node have different numbers
            port = 20000 + int(here.job_id) % 30000
            words = self.command.argv(
                self.processes,
                (
                    f'--nnodes={here.num_nodes}',
                    f'--node_rank={here.node}',
                    f'--master_addr={here.hostnames[0]}',
                    f'--master_port={port}',
                ),
            )
        code = subprocess.run(words).returncode
        if code:
            raise RuntimeError(
                f'`{self.command}` ended with exit code '
                f'{code}; see its output above.'
            )

    def checkpoint(self) -> Any:
        """What submitit queues when the job is interrupted: the same job."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def submit(
    commands: Sequence[Command], folder: Path, launch: Launch
) -> list[str]:
    """Queue every command that is not queued or running already.

    Args:
        commands (sequence[Command]): As planned.
        folder (Path): For the jobs' output and their list.
        launch (Launch): With settings for submitit's ``AutoExecutor``.

    Returns:
        list[str]: The number of each command's job.

    Raises:
        UserError: Slurm or submitit is missing, submitit does not know a
            setting, or sbatch refuses the job.
    """
    submitit = _submitit()
    try:
        executor = submitit.AutoExecutor(
            folder=folder / 'jobs', cluster='slurm'
        )
        settings = {
            'nodes': launch.nodes,
            'tasks_per_node': 1,
            'gpus_per_node': launch.processes,
            'name': folder.name,
            **launch.slurm,
        }
        more = settings.pop('slurm_additional_parameters', {})
        executor.update_parameters(**settings)
        before, alive = _submitted(folder), _alive()
        jobs: list[str] = []
        for command in commands:
            job = before.get(str(command))
            if job not in alive:
                wait = (
                    {}
                    if command.after is None
                    else {
                        'dependency': f'afterok:{jobs[command.after]}',
                        'kill_on_invalid_dep': 'yes',
                    }
                )
                executor.update_parameters(
                    slurm_additional_parameters={**more, **wait}
                )
                job = executor.submit(Job(command, launch.processes)).job_id
                before[str(command)] = job
                with atomic_path(folder / SUBMITTED) as part:
                    part.write_text(json.dumps(before, indent=1))
            jobs.append(job)
    except (
        NameError,
        TypeError,
        ValueError,
        AssertionError,
        submitit.core.utils.FailedJobError,
    ) as error:
        raise UserError(f'Slurm did not take the job: {error}') from error
    return jobs


def _submitit() -> Any:
    if not shutil.which('sbatch'):
        raise UserError(
            'there is no `sbatch` here: submit from a machine of the '
            'cluster, or use `--executor local`.'
        )
    try:
        import submitit
    except ImportError as error:
        raise UserError(
            'Slurm needs submitit: pip install "ssl-bench[slurm]".'
        ) from error
    return submitit


def _submitted(folder: Path) -> dict[str, str]:
    """Numbers of jobs submitted before, by command."""
    path = folder / SUBMITTED
    return json.loads(path.read_text()) if path.is_file() else {}


def _alive() -> set[str]:
    """Numbers of this user's jobs that are queued or run."""
    found = subprocess.run(
        ['squeue', '--me', '--noheader', '--format=%A'],
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise UserError(f'squeue does not answer: {found.stderr.strip()}')
    return set(found.stdout.split())
