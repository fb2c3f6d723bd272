"""Run a task for a backbone and a seed; write its record once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.device import get_device

from ssl_bench.config import data_paths
from ssl_bench.engine.distributed import (
    join_processes,
    plain_error,
    world_size,
)
from ssl_bench.engine.stopping import stoppable
from ssl_bench.engine.tracking import tracked
from ssl_bench.errors import UserError
from ssl_bench.files import disk_errors, require_folder, require_writable
from ssl_bench.results import (
    FILE_NAME,
    make_run_id,
    read_records,
    write_record,
)
from ssl_bench.results.task_words import write_words
from ssl_bench.run_folder import from_first, hold
from ssl_bench.tasks.fingerprint import fingerprint
from ssl_bench.tasks.subsets import origin_of
from ssl_bench.tasks.table import find_task, require_data, require_packages
from ssl_bench.toolbox.check_data import read_elsewhere
from ssl_bench.toolbox.load_images import GIVEN_UP, none_usable, read_with_care
from ssl_bench.transfer.checks import check_run
from ssl_bench.transfer.plan import Plan, make_plan
from ssl_bench.transfer.probes import run_probe
from ssl_bench.transfer.record import Measured, correct_task, make_record
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.toolkit_output import toolkit_output
from ssl_bench.transfer.toolkit_run import run_toolbox
from ssl_bench.transfer.trained import FULL
from ssl_bench.transfer.weights import (
    finished_training,
    forget,
    open_classifier,
    trained_classifier,
)


@dataclass(frozen=True)
class Request:
    """What is to be run, with every setting that a user can give.

    Args:
        source (Source): What is transferred.
        task (str): Task id.
        seed (int): Of the run.
        work_dir (str | Path): Each run gets a folder of its own below.
        data_root (str, optional): Folder above VOCdevkit, coco, imagenet.
        overrides (dict, optional): Dotted config keys and values.
        recipe (str, optional): A paper's variety of the task.
        fraction (float, optional): Part of the training images.
        quiet (bool): One progress line; logs go to the run's folder.
        visualize (int): Test images drawn into the run's folder.
        classifier (str, optional): Of a task that only tests one: a
            checkpoint or a run's folder, instead of what fine-tuning with
            these weights, seed and settings left below ``work_dir``.
        resume (bool): Continue an interrupted run, or start it over.
        eval_only (bool): Test what a finished training left; the record is
            written if there is none, and stays if there is one.
        wait (bool): Wait while another process writes in the run's folder.
        train (str): What is trained of the backbone
            (`ssl_bench.transfer.trained.read_kind`).
        trained_later (bool): Of a task that only tests a classifier: the
            same command trains it first.
        processes (int, optional): Of the run; those of this one if None.
    """

    source: Source
    task: str
    seed: int = 0
    work_dir: str | Path = 'work_dirs/transfer'
    data_root: str | None = None
    overrides: dict[str, Any] | None = None
    recipe: str | None = None
    fraction: float | None = None
    quiet: bool = True
    visualize: int = 0
    classifier: str | None = None
    resume: bool = True
    eval_only: bool = False
    wait: bool = False
    train: str = FULL
    trained_later: bool = False
    processes: int | None = None

    @property
    def root(self) -> str:
        """Folder of the data; the task's own if none was given."""
        return self.data_root or find_task(self.task).root

    @property
    def tests_again(self) -> bool:
        """Whether ``eval_only`` changes what the task does."""
        row = find_task(self.task)
        return self.eval_only and row.toolbox != 'probe' and not row.trained_by


Measure = Callable[[Plan, Request, Path], Measured]


@dataclass
class Outcome:
    """A finished run.

    Attributes:
        record (dict): As written.
        folder (Path): Where it and its logs lie.
        fresh (bool): False when it had been finished before.
        retested (dict, optional): Metrics of testing it again.
    """

    record: dict[str, Any]
    folder: Path
    fresh: bool
    retested: dict[str, float] | None = None


def fit_positions(plan: Plan, source: Source) -> None:
    """Train a position table after all that was not fixed in pretraining."""
    if (
        plan.config.get('fixed_positions', False)
        and not source.fixed_positions
    ):
        plan.config.fixed_positions = False
        plan.changes.append(
            'position table trained: it is not the fixed '
            'one of sines and cosines'
        )


def note_weights(plan: Plan, source: Source) -> None:
    """Say in the record whether a pretrained neck and head were used."""
    if source.backbone is None or not source.backbone.neck:
        return
    used = plan.config.get('transfer_neck_and_head', False)
    plan.changes.append(
        'pretrained neck and box head '
        + ('transferred' if used else 'not transferred')
    )


def note_labels(plan: Plan, root: str | Path) -> None:
    """Say in the record which list of a few labels was read."""
    dataset = find_task(plan.task).data
    if dataset.drawn_from is not None:
        for layout in dataset.train:
            plan.changes += [origin_of(Path(root) / f) for f in layout.files]


def run_task(
    source: Source, task: str, *more: Any, **settings: Any
) -> Outcome:
    """`run_request` of a `Request` with these fields, in their order."""
    return run_request(Request(source, task, *more, **settings))


@stoppable('The same command')
def run_request(request: Request, by: Measure | None = None) -> Outcome:
    """Train and evaluate one task, unless its record is there already.

    Args:
        request (Request): What is to be run.
        by (Callable, optional): Measures the plan in place of `measure`.

    Returns:
        Outcome: The record as written.

    Raises:
        UserError: Unknown task, missing data, a backbone that does not fit,
            another process that writes in the run's folder.
        Interrupted: A signal ended it; what was done is saved.
    """
    plan, folder = ready(request)
    again = request.tests_again
    join_processes()
    if _is_there(folder) and not again:
        return Outcome(read_records([folder / FILE_NAME])[0], folder, False)
    with hold(folder, request.wait):
        done = _is_there(folder)  # another may have finished it meanwhile
        if done and not again:
            return Outcome(
                read_records([folder / FILE_NAME])[0], folder, False
            )
        if again:
            plan.trained = finished_training(folder, plan.config.train_cfg)
        elif not request.resume:
            forget(folder)
        return _run(plan, request, folder, done, by or measure)


def ready(request: Request, data: bool = True) -> tuple[Plan, Path]:
    """What a run would do, after all that it checks before it starts.

    The run and the dry run both call this, and so refuse the same.

    Args:
        request (Request): What is to be run.
        data (bool): Whether to look at the data. Without, the folder has
            another name than the run's.

    Returns:
        tuple[Plan, Path]: The plan, and the folder of the run.

    Raises:
        UserError: As `run_request`.
    """
    root = request.root
    require_folder(request.work_dir)
    require_packages(request.task)
    if data:
        require_data(request.task, root)
    plan, folder = locate(request, data)
    done = data and (folder / FILE_NAME).exists()
    if not done or request.tests_again:
        require_writable(request.work_dir)
        check_run(plan, request.source, request.seed, folder.name, root, data)
    return plan, folder


def try_run(request: Request) -> Plan:
    """What `run_request` would do, without the data and without a trace.

    Data are looked at only where what an earlier run left is needed, since
    its folder is named by them.

    Raises:
        UserError: As `run_request`, except of missing or faulty data.
    """
    row = find_task(request.task)
    again, later = request.tests_again, request.trained_later
    left = again or (row.trained_by and not request.classifier and not later)
    data = bool(left) and not row.data.missing(request.root)
    later = later or (bool(row.trained_by) and not data)
    plan, folder = ready(replace(request, trained_later=later), data)
    if again and data:
        finished_training(folder, plan.config.train_cfg)
    return plan


def _is_there(folder: Path) -> bool:
    """Whether a run has its record; the same in all processes."""
    return bool(from_first(lambda: (folder / FILE_NAME).exists()))


def _run(
    plan: Plan, request: Request, folder: Path, done: bool, by: Measure
) -> Outcome:
    """Measure in a folder that is held, and write the record if not done."""
    started = datetime.now(timezone.utc)
    if dist.is_main_process():
        write_words(find_task(plan.task), folder)
    measured = by(plan, request, folder)
    if done:
        return Outcome(
            read_records([folder / FILE_NAME])[0],
            folder,
            False,
            measured.metrics,
        )
    record = make_record(
        plan,
        request.source,
        request.seed,
        folder.name,
        measured,
        started,
        request.root,
    )
    if dist.is_main_process():
        try:
            record = write_record(folder, record)
        except UserError as error:
            raise UserError(f'{error} {correct_task(plan.task)}') from error
    dist.barrier()
    return Outcome(record, folder, True)


def locate(request: Request, data: bool = True) -> tuple[Plan, Path]:
    """What a run would do, and the folder it has or would have.

    Args:
        As `ready`.
    """
    plan, run_id = identify(request, data)
    trained_by = find_task(request.task).trained_by
    work_dir, classifier = Path(request.work_dir), request.classifier
    if trained_by and (classifier or not request.trained_later):
        trainer = identify(replace(request, task=trained_by), data)[1]
        plan.trained = (
            open_classifier(classifier)
            if classifier
            else trained_classifier(
                work_dir / trainer, request.task, trained_by
            )
        )
        run_id += f'_{plan.trained.sha256[:8]}'
    return plan, work_dir / run_id


def is_done(request: Request) -> bool:
    """Whether `run_request` would find its record and run nothing."""
    try:
        folder = locate(request)[1]
    except UserError:  # which the run itself will say
        return False
    return (folder / FILE_NAME).exists()


def measure(plan: Plan, request: Request, folder: Path) -> Measured:
    """Run a plan, its output in the run's folder."""
    source, seed, quiet = request.source, request.seed, request.quiet
    if plan.trained is not None:
        plan.changes.append(
            f'tests {plan.trained.path}, SHA-256 {plan.trained.sha256}'
        )
    read_with_care(plan.config, folder)
    fields = partial(_fields, plan, request)
    try:
        with (
            disk_errors(),
            tracked(folder, folder.name, fields) as tracking,
            toolkit_output(folder, quiet),
        ):
            if find_task(plan.task).toolbox == 'probe':
                found = run_probe(plan, source, seed, folder, request.root)
            else:
                found = run_toolbox(
                    plan,
                    source,
                    seed,
                    folder,
                    request.visualize,
                    quiet,
                    request.resume,
                    tracking,
                )
            tracking.result(found.metrics)
            return found
    except UserError as error:
        raise plain_error(error) from error
    except Exception as error:  # mmengine has no class for this
        if GIVEN_UP not in str(error):
            raise
        raise none_usable(plan.config, folder) from error


def _fields(plan: Plan, request: Request) -> dict[str, str | int | float]:
    """What a tracker is told about a transfer."""
    fields: dict[str, str | int | float] = dict(
        kind='transfer',
        task=plan.task,
        method=request.source.method,
        variant=request.source.variant,
        backbone=plan.arch,
        seed=request.seed,
        trained=request.train,
        config_sha256=plan.config_sha256,
    )
    return {name: value for name, value in fields.items() if value != ''}


def identify(request: Request, data: bool = True) -> tuple[Plan, str]:
    """What a run would do, and its id.

    Args:
        As `ready`.
    """
    row, source, root = find_task(request.task), request.source, request.root
    plan = make_plan(
        request.task,
        source.arch_args,
        request.data_root,
        request.overrides,
        request.recipe,
        request.fraction,
        request.processes or world_size(),
        get_device() != 'cpu',
        request.train,
    )
    fit_positions(plan, source)
    note_weights(plan, source)
    if data:
        note_labels(plan, root)
    plan.elsewhere = read_elsewhere(data_paths(plan.config), row.data, root)
    data_print = fingerprint(row.data, str(root)) if data else ''
    return plan, make_run_id(
        source.method,
        source.variant,
        request.task,
        request.seed,
        f'{plan.identity} {data_print}',
        source.checkpoint_sha256,
    )
