"""Submit commands to Slurm with submitit, in the order they depend on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.errors import Interrupted, UserError
from ssl_bench.files import atomic_path
from ssl_bench.launch.command import Command
from ssl_bench.launch.parent import child_environment
from ssl_bench.launch.suite import Launch
from ssl_bench.run_folder import hold

SUBMITTED = 'submitted.json'
ALWAYS = 10**9  # times that a job out of time is queued again
NOTICE = 600  # seconds before the end at which a job is told to save
KILLED_BY_THEN = 300  # seconds in which Slurm ends a job that it stopped
# settings of submitit that say which devices a job gets
DEVICES = {
    'gpus_per_node',
    'slurm_gpus_per_node',
    'slurm_gpus_per_task',
    'slurm_num_gpus',
    'slurm_gres',
}


class Job:
    """One command as a Slurm job: one torchrun on each of its nodes.

    A job that is told to end (out of time, preempted) passes the signal on,
    waits until the command has saved, and is queued again. It continues,
    since every command continues an interrupted run.
    """

    def __init__(self, command: Command, processes: int) -> None:
        self.command = command
        self.processes = processes
        self.process: subprocess.Popen | None = None

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
        self.process = subprocess.Popen(
            words, env={**os.environ, **child_environment()}
        )
        self._pass_signals_on(here)
        code = self.process.wait()
        if code == Interrupted.exit_code:
            # by Slurm, which ends this, too, and queues it again itself
            time.sleep(KILLED_BY_THEN)
            raise RuntimeError(
                f'`{self.command}` was stopped, with its work saved: '
                '`ssl-bench run` submits it again, and it continues.'
            )
        if code:
            raise RuntimeError(
                f'`{self.command}` ended with exit code '
                f'{code}; see its output above.'
            )

    def _pass_signals_on(self, here: Any) -> None:
        """Send the command what Slurm sends here; then submitit acts.

        submitit's own handlers act on the first node only, and leave what
        a job has started to the end of the job.
        """
        for number in (signal.SIGTERM, here._usr_sig()):
            after = signal.getsignal(number)

            def handle(number: int, frame: Any, after: Any = after) -> None:
                if self.process is not None and self.process.poll() is None:
                    self.process.send_signal(number)
                if callable(after):
                    after(number, frame)

            signal.signal(number, handle)

    def checkpoint(self) -> Any:
        """What submitit queues when the job is interrupted: the same job.

        It comes back when the command has ended, however long it saves.
        """
        import submitit

        if self.process is not None and self.process.returncode is None:
            # leaves the exit code to `wait`, in which a signal came
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
        return submitit.helpers.DelayedSubmission(
            Job(self.command, self.processes)
        )


def submit(
    commands: Sequence[Command], folder: Path, launch: Launch
) -> list[str]:
    """Queue every command that is not queued or running already.

    One submitter at a time: another one waits.

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
    settings = {
        'nodes': launch.nodes,
        'tasks_per_node': 1,
        'name': folder.name,
        **_devices(launch),
        **_notice(launch.slurm),
        **launch.slurm,
    }
    if settings.get('gpus_per_node') == 0:  # sbatch may refuse to ask for 0
        settings.pop('gpus_per_node')
    more = {'requeue': True, **settings.pop('slurm_additional_parameters', {})}
    try:
        executor = submitit.AutoExecutor(
            folder=folder / 'jobs',
            cluster='slurm',
            slurm_max_num_timeout=ALWAYS,
        )
        executor.update_parameters(**settings)
        with hold(folder, wait=True):
            return _queue(executor, commands, folder, launch.processes, more)
    except (
        NameError,
        TypeError,
        ValueError,
        AssertionError,
        submitit.core.utils.FailedJobError,
    ) as error:
        raise UserError(f'Slurm did not take the job: {error}') from error


def _queue(
    executor: Any,
    commands: Sequence[Command],
    folder: Path,
    processes: int,
    more: dict[str, Any],
) -> list[str]:
    """Submit what is not there.

    Args:
        executor (AutoExecutor): With all settings but ``more``.
        commands, folder, processes: As `submit`.
        more (dict): Further parameters of sbatch.
    """
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
            job = executor.submit(Job(command, processes)).job_id
            before[str(command)] = job
            with atomic_path(folder / SUBMITTED) as part:
                part.write_text(json.dumps(before, indent=1))
        jobs.append(job)
    return jobs


def _notice(settings: dict[str, Any]) -> dict[str, int]:
    """How long before its end a job is told: at most a fifth of its time.

    Raises:
        UserError: The suite says more than the job has, or a time that is
            not in minutes.
    """
    minutes = settings.get('slurm_time', settings.get('timeout_min', 5))
    if not isinstance(minutes, int):  # submitit computes with it
        raise UserError(
            f'launch.slurm: the time of a job must be a number of minutes '
            f'(timeout_min), not {minutes!r}.'
        )
    own = settings.get('slurm_signal_delay_s', 0)
    if own >= minutes * 60:
        raise UserError(
            f'launch.slurm: slurm_signal_delay_s: {own} tells a job to end '
            f'{own} s before its end, but it has {minutes} minutes: it would '
            'never go on. Give it more time (timeout_min).'
        )
    return {'slurm_signal_delay_s': min(NOTICE, minutes * 60 // 5)}


def _devices(launch: Launch) -> dict[str, int]:
    """A device for each process, where the cluster has any.

    What the suite says of devices is left as it is.
    """
    if DEVICES & launch.slurm.keys():
        return {}
    partition = launch.slurm.get('slurm_partition')
    words = ['sinfo', '--noheader', '--format=%G']
    if partition:
        words.append(f'--partition={partition}')
    try:
        found = subprocess.run(words, capture_output=True, text=True)
    except OSError:  # not there: as most clusters
        return {'gpus_per_node': launch.processes}
    if found.returncode or 'gpu' in found.stdout.casefold():
        return {'gpus_per_node': launch.processes}
    sys.stderr.write(
        'note: sinfo names no GPU'
        + (f' in partition {partition}' if partition else '')
        + ', so the jobs ask for none. `gpus_per_node` or `slurm_gres` in '
        'launch.slurm asks for them.\n'
    )
    return {}


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
