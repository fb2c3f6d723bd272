"""The commands that a suite still needs: those without a record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssl_bench.cfg_options import option_words
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.launch.local import Command
from ssl_bench.launch.suite import Method, Suite
from ssl_bench.results import FILE_NAME
from ssl_bench.tasks.table import find_task, require_data
from ssl_bench.transfer.run import is_done
from ssl_bench.transfer.source import RANDOM, Source, open_source


@dataclass
class Plan:
    """What a suite still needs.

    Attributes:
        commands (list[Command]): Each with the one it waits for.
        missing (list[str]): The task of each missing record.
        done (int): Records that exist.
        problems (list[str]): Why a command would fail: missing weights or
            data.
    """

    commands: list[Command] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    done: int = 0
    problems: list[str] = field(default_factory=list)


def plan_suite(suite: Suite) -> Plan:
    """Find what is missing.

    Args:
        suite (Suite): As read.

    Returns:
        Plan: In the order seeds, methods, tasks.

    Raises:
        UserError: A config is missing or does not load, or two configs would
            pretrain in one folder.
    """
    planner = _Planner(suite)
    for seed in suite.seeds:
        for method in suite.methods:
            planner.add(method, seed)
    for task in dict.fromkeys(planner.plan.missing):
        try:
            require_data(task, suite.data_root or find_task(task).root)
        except UserError as error:
            planner.plan.problems.append(str(error))
    return planner.plan


class _Planner:
    """Collects a plan."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.plan = Plan()
        self.pretrained: dict[Path, int | None] = {}
        self.owners: dict[Path, Method] = {}
        self.sources: dict[tuple[str, ...], Source | None] = {}

    def add(self, method: Method, seed: int) -> None:
        """Add what a method needs for a seed."""
        checkpoint, after = method.checkpoint, None
        if method.config:
            checkpoint, after = self._pretrain(method, seed)
        elif checkpoint != RANDOM:
            self._source(method, checkpoint)  # notes if it is missing
        tasks = self.suite.tasks_of(method)
        missing = [
            task
            for task in tasks
            if after is not None
            or not self._is_done(method, checkpoint, task, seed)
        ]
        self.plan.done += len(tasks) - len(missing)
        self.plan.missing += missing
        numbers: dict[str, int] = {}
        for group in self._groups(method, missing):
            waits = [
                numbers[trainer]
                for trainer in (find_task(task).trained_by for task in group)
                if trainer in numbers
            ]
            numbers.update(dict.fromkeys(group, len(self.plan.commands)))
            self.plan.commands.append(
                Command(
                    self._transfer_words(method, checkpoint, group, seed),
                    waits[0] if waits else after,
                )
            )

    def _pretrain(self, method: Method, seed: int) -> tuple[str, int | None]:
        """The checkpoint, and the number of the command that makes it."""
        if not self.suite.pretrain_each_seed:
            seed = self.suite.seeds[0]
        epochs = load_config(
            method.config, method.overrides
        ).train_cfg.max_epochs
        folder = (
            Path(self.suite.work_dir)
            / f'{Path(method.config).stem}_seed{seed}'
        )
        owner = self.owners.setdefault(folder, method)
        if (owner.config, owner.overrides, owner.amp) != (
            method.config,
            method.overrides,
            method.amp,
        ):
            raise UserError(
                f'two methods would pretrain in {folder} with '
                'different settings: give one a config file of '
                'another name.'
            )
        last = folder / f'epoch_{epochs}.pth'
        if last not in self.pretrained:
            self.pretrained[last] = None
            if not last.is_file():
                self.pretrained[last] = len(self.plan.commands)
                self.plan.commands.append(
                    Command(self._pretrain_words(method, folder, seed))
                )
        return str(last), self.pretrained[last]

    def _pretrain_words(
        self, method: Method, folder: Path, seed: int
    ) -> tuple[str, ...]:
        options = dict(method.overrides)
        if self.suite.data_root:
            options.setdefault(
                'train_dataloader.dataset.data_root',
                f'{self.suite.data_root}/imagenet/train',
            )
        return (
            'pretrain',
            method.config,
            '--work-dir',
            str(folder),
            '--seed',
            str(seed),
            '--quiet',
            '--resume',
            'auto',
            *(['--amp'] if method.amp else []),
            *option_words(options),
        )

    def _transfer_words(
        self, method: Method, checkpoint: str, tasks: Sequence[str], seed: int
    ) -> tuple[str, ...]:
        given = {
            '--data-root': self.suite.data_root,
            '--arch': method.arch,
            '--method': method.name,
            '--variant': method.variant,
            '--recipe': method.recipes.get(tasks[0]),
            '--visualize': str(self.suite.visualize or ''),
        }
        options = [(name, value) for name, value in given.items() if value]
        return (
            'transfer',
            checkpoint,
            '--tasks',
            *tasks,
            '--seeds',
            str(seed),
            '--work-dir',
            self.suite.work_dir,
            *(word for option in options for word in option),
            *option_words(self.suite.overrides),
        )

    def _groups(self, method: Method, tasks: Sequence[str]) -> list[list[str]]:
        """Tasks of each command; tests of a classifier come last."""
        tasks = sorted(
            tasks, key=lambda task: bool(find_task(task).trained_by)
        )
        if self.suite.launch.per == 'task':
            return [[task] for task in tasks]
        groups: dict[str, list[str]] = {}
        for task in tasks:
            groups.setdefault(method.recipes.get(task, ''), []).append(task)
        return list(groups.values())

    def _is_done(
        self, method: Method, checkpoint: str, task: str, seed: int
    ) -> bool:
        """Whether the record exists; weights are read only if it can."""
        folder = Path(self.suite.work_dir)
        if not next(folder.glob(f'*_{task}_s{seed}_*/{FILE_NAME}'), None):
            return False
        source = self._source(method, checkpoint)
        return source is not None and is_done(
            source,
            task,
            seed,
            folder,
            self.suite.data_root or None,
            self.suite.overrides,
            method.recipes.get(task),
        )

    def _source(self, method: Method, checkpoint: str) -> Source | None:
        """The weights, opened once; on failure None, and a problem."""
        meta = {
            name: value
            for name, value in (
                ('method', method.name),
                ('variant', method.variant),
            )
            if value
        }
        key = (checkpoint, method.arch, *meta.values())
        if key not in self.sources:
            self.sources[key] = None
            try:
                self.sources[key] = open_source(
                    checkpoint, self.suite.work_dir, method.arch or None, meta
                )
            except UserError as error:
                self.plan.problems.append(str(error))
        return self.sources[key]
