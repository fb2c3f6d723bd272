"""The commands that a suite still needs: those without a record.

What a command will read is looked for here: checkpoint, data, pretraining
images, packages, the classifier that another task trains.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl_bench.config import load_config
from ssl_bench.data.pretrain_dataset import require_images
from ssl_bench.errors import UserError
from ssl_bench.header_fields import read_fields
from ssl_bench.launch.command import Command
from ssl_bench.launch.commands import pretrain_command, transfer_command
from ssl_bench.launch.suite import Method, Run, Suite
from ssl_bench.results import FILE_NAME
from ssl_bench.results.record import task_part
from ssl_bench.tasks.table import find_task, require_data, require_packages
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import Request, is_done, locate
from ssl_bench.transfer.source import Source, open_source
from ssl_bench.transfer.trained import set_kind

BATCH = 'train_dataloader.batch_size'  # images of a process
SHOWN = 3  # problems in the error of a suite that does not start


@dataclass
class Plan:
    """What a suite still needs.

    Attributes:
        commands (list[Command]): Each with the one it waits for.
        missing (list[Run]): The task and recipe of each missing record.
        pretrainings (list[tuple[str, int]]): Config and epochs of each
            pretraining that has not ended.
        done (int): Records that exist.
        ended (int): Commands that are not needed: what they would make is
            there.
        problems (list[str]): Why a command would fail: missing weights,
            data, images, packages or classifiers.
    """

    commands: list[Command] = field(default_factory=list)
    missing: list[Run] = field(default_factory=list)
    pretrainings: list[tuple[str, int]] = field(default_factory=list)
    done: int = 0
    ended: int = 0
    problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Add a problem, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def check(self) -> None:
        """Refuse what would fail.

        Raises:
            UserError: The first problems, a line each, and how many more.
        """
        rest = len(self.problems) - SHOWN
        lines = self.problems[: SHOWN + (rest == 1)]
        if rest > 1:
            lines.append(
                f'And {rest} more problems: `ssl-bench run SUITE --dry-run` '
                'shows them all.'
            )
        if lines:
            raise UserError('\n'.join(lines))


def plan_suite(suite: Suite) -> Plan:
    """Find what is missing.

    Args:
        suite (Suite): As read.

    Returns:
        Plan: In the order seeds, methods, tasks.

    Raises:
        UserError: A config is missing or does not load, two configs would
            pretrain in one folder, or a task's config, its recipe, what is
            to be trained or the overrides do not fit together.
    """
    for run in dict.fromkeys(
        run for method in suite.methods for run in suite.runs_of(method)
    ):
        made = make_plan(
            run.task, None, None, suite.overrides, run.recipe or None
        )
        # not of the config's backbone: that of the weights is another
        set_kind(made.config, run.task, run.train)
    planner = _Planner(suite)
    for seed in suite.all_seeds:
        for method in suite.methods:
            planner.add(method, seed)
    for task in dict.fromkeys(run.task for run in planner.plan.missing):
        planner.require_inputs(task)
    return planner.plan


class _Planner:
    """Collects a plan."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.plan = Plan()
        self.pretrained: dict[Path, int | None] = {}
        self.owners: dict[Path, Method] = {}
        self.sources: dict[tuple[str, ...], Source | None] = {}
        self.inputs: dict[str, str] = {}

    def add(self, method: Method, seed: int) -> None:
        """Add what a method needs for a seed."""
        runs = [
            run
            for run in self.suite.runs_of(method)
            if seed in self.suite.seeds_of(run.task)
        ]
        if not runs:
            return
        checkpoint, after = method.checkpoint, None
        if method.config:
            checkpoint, after = self._pretrain(method, seed)
        else:
            self._source(method, checkpoint)  # notes if it is missing
        missing = [
            run
            for run in runs
            if after is not None
            or not self._is_done(method, checkpoint, run, seed)
        ]
        self.plan.done += len(runs) - len(missing)
        self.plan.ended += len(self._groups(runs)) - len(self._groups(missing))
        self.plan.missing += missing
        known = checkpoint if after is None else ''
        for run in missing:
            if find_task(run.task).trained_by:
                self._require_classifier(method, known, run, seed, missing)
        self._add_transfers(method, checkpoint, missing, seed, after)

    def _add_transfers(
        self,
        method: Method,
        checkpoint: str,
        missing: list[Run],
        seed: int,
        after: int | None,
    ) -> None:
        """Add the commands of missing records, in the order they depend on."""
        numbers: dict[Run, int] = {}
        for group in self._groups(missing):
            waits = [
                numbers[trainer]
                for trainer in map(_trainer, group)
                if trainer in numbers
            ]
            numbers.update(dict.fromkeys(group, len(self.plan.commands)))
            self.plan.commands.append(
                transfer_command(
                    self.suite,
                    method,
                    checkpoint,
                    group,
                    seed,
                    waits[0] if waits else after,
                )
            )

    def require_inputs(self, task: str) -> bool:
        """Whether a task's data and packages are there; notes if not."""
        try:
            require_packages(task)
            require_data(task, self.suite.data_root or find_task(task).root)
        except UserError as error:
            self.plan.note(str(error))
            return False
        return True

    def _require_classifier(
        self,
        method: Method,
        checkpoint: str,
        run: Run,
        seed: int,
        missing: list[Run],
    ) -> None:
        """Note a test whose classifier nothing trains.

        Args:
            method (Method): Of the suite.
            checkpoint (str): Its weights; empty if they are yet to come.
            run (Run): What tests a classifier.
            seed (int): Of the run.
            missing (list[Run]): What the suite will train.
        """
        trainer = _trainer(run)
        if trainer in missing:
            return
        if not checkpoint:
            self.plan.note(
                f'{run} tests the classifier of {trainer}, which this suite '
                f'does not train for {method.config} and seed {seed}: add '
                'that task, recipe and kind of training to the method.'
            )
            return
        source = self._source(method, checkpoint)
        if source is not None and self.require_inputs(run.task):
            try:
                locate(self._request(source, run, seed))
            except UserError as error:
                self.plan.note(str(error))

    def _request(self, source: Source, run: Run, seed: int) -> Request:
        """A run as `transfer` is asked for it."""
        return Request(
            source,
            run.task,
            seed,
            self.suite.work_dir,
            self.suite.data_root or None,
            self.suite.overrides,
            run.recipe or None,
            train=run.train,
        )

    def _folder(self, method: Method, seed: int) -> Path:
        """Where a method pretrains; overrides with a variant have their own.

        Raises:
            UserError: It is the folder of other settings.
        """
        name = Path(method.config).stem
        if method.overrides and method.variant:
            words = re.sub(r'[^a-z0-9]+', '-', method.variant.casefold())
            name += f'_{words.strip("-")}'
        folder = Path(self.suite.work_dir) / f'{name}_seed{seed}'
        owner = self.owners.setdefault(folder, method)
        if (owner.config, owner.overrides, owner.amp) != (
            method.config,
            method.overrides,
            method.amp,
        ):
            raise UserError(
                f'two methods would pretrain in {folder} with '
                'different settings: give one a `variant`, or a config file '
                'of another name.'
            )
        return folder

    def _pretrain(self, method: Method, seed: int) -> tuple[str, int | None]:
        """The checkpoint, and the number of the command that makes it."""
        if not self.suite.pretrain_each_seed:
            seed = self.suite.all_seeds[0]
        folder = self._folder(method, seed)
        options = self._pretrain_options(method)
        config = load_config(method.config, options)
        epochs = config.train_cfg.max_epochs
        last = folder / f'epoch_{epochs}.pth'
        if last not in self.pretrained:
            self.pretrained[last] = None
            if not last.is_file():
                try:
                    require_images(config.train_dataloader.dataset)
                except UserError as error:
                    self.plan.note(str(error))
                self.pretrained[last] = len(self.plan.commands)
                self.plan.pretrainings.append((method.config, epochs))
                self.plan.commands.append(
                    pretrain_command(
                        self.suite, method, folder, seed, options, epochs
                    )
                )
            else:
                self.plan.ended += 1
        return str(last), self.pretrained[last]

    def _pretrain_options(self, method: Method) -> dict[str, Any]:
        """Dotted keys of a pretraining: the method's and the suite's.

        The suite's are the data root, and the images of a process that make
        up the config's batch: a contrastive loss and batch norm depend on
        it, and the rate is for it.
        """
        options = dict(method.overrides)
        if self.suite.data_root:
            options.setdefault(
                'train_dataloader.dataset.data_root',
                f'{self.suite.data_root}/imagenet/train',
            )
        config = load_config(method.config, options)
        whole = config.get('auto_scale_lr', {}).get('base_batch_size')
        if BATCH not in options and whole:
            launch = self.suite.launch
            processes = launch.processes * launch.nodes
            steps = config.optim_wrapper.get('accumulative_counts', 1)
            each = whole // (processes * steps)
            if each * processes * steps != whole:
                self.plan.note(
                    f'{method.config} is for a batch of {whole}, which '
                    f'{processes} processes cannot share: change `launch`, '
                    f'or set {BATCH} in `overrides`.'
                )
            elif each != config.train_dataloader.batch_size:
                options[BATCH] = each
        return options

    def _groups(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Runs of each command; tests of a classifier come last."""
        runs = sorted(
            runs, key=lambda run: bool(find_task(run.task).trained_by)
        )
        if self.suite.launch.per == 'task':
            return [[run] for run in runs]
        groups: dict[tuple[str, str], list[Run]] = {}
        for run in runs:
            groups.setdefault((run.recipe, run.train), []).append(run)
        return list(groups.values())

    def _is_done(
        self, method: Method, checkpoint: str, run: Run, seed: int
    ) -> bool:
        """Whether the record exists; weights are read only if it can."""
        folder, part = Path(self.suite.work_dir), task_part(run.task)
        if not next(folder.glob(f'*_{part}_s{seed}_*/{FILE_NAME}'), None):
            return False
        source = self._source(method, checkpoint)
        return source is not None and is_done(self._request(source, run, seed))

    def _source(self, method: Method, checkpoint: str) -> Source | None:
        """The weights, opened once; on failure None, and a problem."""
        meta = read_fields(method.meta_words) | {
            name: value
            for name, value in (
                ('method', method.name),
                ('variant', method.variant),
            )
            if value
        }
        key = (checkpoint, method.arch, *map(str, meta.values()))
        if key not in self.sources:
            self.sources[key] = None
            try:
                self.sources[key] = open_source(
                    checkpoint, self.suite.work_dir, method.arch or None, meta
                )
            except UserError as error:
                self.plan.note(str(error))
        return self.sources[key]


def _trainer(run: Run) -> Run:
    """What trains the classifier that a run tests."""
    return run._replace(task=find_task(run.task).trained_by)
