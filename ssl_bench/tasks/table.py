"""The task table: what each task is, read from the tasks' own configs.

A task is one file, ``configs/transfer/<id>.py``, with a literal
``TASK = dict(...)`` in it. The literal is read without running the config
and without importing a toolkit; everything that lists, runs, records or shows
tasks derives from it. The environment variable ``SSL_BENCH_CONFIGS`` names
further folders of this form.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ssl_bench.config import config_dirs, own_literals, read_literals
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.datasets import DATASETS, Dataset, own_dataset
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.own.fitting import fit_objects

FOLDER = 'transfer'  # below each folder of configs
MOST_PLACES = 6  # decimals of a number in a table
TOOLBOXES = ('mmdet', 'mmseg', 'mmpretrain', 'probe')


class Metric(BaseModel):
    """One number that a task gives.

    Attributes:
        toolkit (str): What the toolkit's evaluator calls it; empty for a
            probe, which uses our name.
        unit (str): ``percent``, or what else it is in: ``metres``; empty for
            a number that has none.
        places (int): Decimals in tables; files keep every digit.
        factor (float): From the toolkit's number to this unit.
        lowest, highest (float): Possible values, in this unit.
        higher_is_better (bool): False for errors.
        tolerance (float): By which two faithful runs may differ, in this
            unit.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    toolkit: str = ''
    unit: str = 'percent'
    places: int = 1
    factor: float = 1.0
    lowest: float = 0.0
    highest: float = 100.0
    higher_is_better: bool = True
    tolerance: float

    @property
    def problem(self) -> str:
        """Why no value could be shown, be in the range or be reproduced."""
        if not 0 <= self.places <= MOST_PLACES:
            return f'needs places of 0 to {MOST_PLACES}'
        possible = (
            self.lowest < self.highest
            and bool(self.factor)
            and self.tolerance >= 0
        )
        if not possible:
            return (
                'needs lowest < highest, a factor that is not 0 and a '
                'tolerance that is not negative'
            )
        return ''


class Task(BaseModel):
    """What a downstream task is; how it runs is the rest of its config.

    Attributes:
        id (str): The config's file name.
        title (str): Heading in tables.
        group (str): ``detection``, ``segmentation``, ``classification``,
            ``features`` or ``robustness``; another word is another group.
        order (int): Place in lists and tables.
        toolbox (str): ``mmdet``, ``mmseg``, ``mmpretrain``, or ``probe``
            for frozen features without training by gradient.
        dataset (str | dict): Key of `datasets.DATASETS`, or the arguments
            of `datasets.own_dataset`.
        metrics (dict[str, Metric]): By our name. A literal may give the id
            of a task next to it whose metrics it has.
        shown (tuple[str, ...]): Those in tables, the main one first.
        source (str): Whose protocol it is.
        gpu_hours (float, optional): Estimate of a run's training, summed
            over the GPUs of ``cost_source``. None where nothing is known.
        recipe_gpu_hours (dict[str, float]): Of recipes that cost another
            amount.
        cost_source (str): Who states what, on which GPUs.
        packages (tuple[str, ...]): Needed next to what the project needs.
        trained_by (str): Of a task that trains nothing: the task whose
            classifier it tests.
        own (OwnData, optional): Own data, which take the place of
            ``dataset`` (`on_own_data`).
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    id: str
    title: str
    group: str
    order: int = 1000
    toolbox: str
    dataset: str | dict[str, Any]
    metrics: dict[str, Metric]
    shown: tuple[str, ...]
    source: str
    gpu_hours: float | None = None
    recipe_gpu_hours: dict[str, float] = {}
    cost_source: str = ''
    packages: tuple[str, ...] = ()
    trained_by: str = ''
    own: OwnData | None = None

    @cached_property
    def data(self) -> Dataset:
        """The data set that it reads.

        Raises:
            UserError: Unknown, or the literal does not describe one.
        """
        if self.own is not None:
            return self.own.dataset()
        return self.protocol_data

    @property
    def protocol_data(self) -> Dataset:
        """The data set of the protocol, also where own data replace it.

        Raises:
            UserError: As `data`.
        """
        if isinstance(self.dataset, dict):
            return own_dataset(self.dataset)
        if self.dataset not in DATASETS:
            raise unknown_name('dataset', self.dataset, DATASETS)
        return DATASETS[self.dataset]

    def hours(self, recipe: str = '') -> float | None:
        """``gpu_hours`` with a recipe; None where nothing is known."""
        return self.recipe_gpu_hours.get(recipe, self.gpu_hours)

    @property
    def root(self) -> str:
        """Where the config expects the data, from the checkout."""
        return self.data.root

    def metric(self, name: str) -> Metric | None:
        """The rule of a metric, or of a variety of one; None if unknown.

        A variety adds words after an underscore: ``top1_k200`` (another k),
        ``mIoU_ms_flip`` (multi-scale test).
        """
        parts = name.split('_')
        for end in range(len(parts), 0, -1):
            found = self.metrics.get('_'.join(parts[:end]))
            if found is not None:
                return found
        return None

    def problem(self) -> str:
        """What is wrong with the literal, beyond the types; often empty."""
        if self.toolbox not in TOOLBOXES:
            return f'toolbox {self.toolbox!r} is none of {TOOLBOXES}'
        try:
            _ = self.data
        except UserError as error:
            return f'dataset: {error}'
        if not self.metrics or not self.shown:
            return '`metrics` and `shown` need a name each'
        known = self.gpu_hours is not None or bool(self.recipe_gpu_hours)
        if known != bool(self.cost_source):
            return '`gpu_hours` and `cost_source` need each other'
        odd = {name: m.problem for name, m in self.metrics.items()}
        for name, problem in odd.items():
            if problem:
                return f'metrics.{name} {problem}'
        strange = [name for name in self.shown if name not in self.metrics]
        if strange:
            return f'{strange[0]!r} of `shown` is not in `metrics`'
        unnamed = [name for name, m in self.metrics.items() if not m.toolkit]
        if unnamed and self.toolbox != 'probe':
            return (
                f'metrics.{unnamed[0]} needs `toolkit`, the name that the '
                f'evaluator of {self.toolbox} gives it'
            )
        return ''


class Table(Mapping[str, Task]):
    """Every task by id, in the order of lists and tables.

    Attributes:
        broken (dict[str, str]): Configs that cannot be read as a task: why.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.broken: dict[str, str] = {}
        self._added: dict[str, Task] = {}
        self.paths: dict[str, Path] = {}
        found = []
        for folder in folders:
            for path in sorted((folder / FOLDER).glob('*.py')):
                if path.name.startswith('.') or not path.is_file():
                    continue
                if path.stem in self.paths:
                    self.broken[path.stem] = (
                        f'{path} has the id of {self.paths[path.stem]}'
                    )
                    continue
                self.paths[path.stem] = path
                try:
                    found.append(read_task(path))
                except UserError as error:
                    self.broken[path.stem] = str(error)
        found.sort(key=lambda task: (task.order, task.id))
        self._tasks = {task.id: task for task in found}
        for task in found:
            if task.trained_by and task.trained_by not in self._tasks:
                self.broken[task.id] = (
                    f'{self.paths[task.id]}: trained_by {task.trained_by!r} '
                    'is not a task'
                )
                del self._tasks[task.id]

    def __getitem__(self, name: str) -> Task:
        return self._added.get(name) or self._tasks[name]

    def add(self, task: Task, path: Path) -> None:
        """Let a task be found by its id, in this process.

        It is not listed: lists show what is installed.

        Args:
            task (Task): Its id begins with ``custom:``.
            path (Path): Its config.
        """
        self._added[task.id], self.paths[task.id] = task, path

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


def read_task(path: Path) -> Task:
    """Read the literal ``TASK`` of a config, running nothing.

    Raises:
        UserError: There is none, or it is not what `Task` says.
    """
    literal = own_literals(path).get('TASK')
    if not isinstance(literal, dict) or not all(
        isinstance(name, str) for name in literal
    ):
        raise UserError(
            f'{path} has no literal `TASK = dict(...)`, which says what the '
            'task is (docs/add_a_task.md).'
        )
    if isinstance(literal.get('metrics'), str):
        literal['metrics'] = _metrics_of(path, literal['metrics'])
    try:
        task = Task(**literal)
    except ValidationError as error:
        first = error.errors()[0]
        place = '.'.join(map(str, first['loc']))
        raise UserError(f'{path}: TASK.{place}: {first["msg"]}') from error
    problem = task.problem()
    if task.id != path.stem:
        problem = f'id {task.id!r} is not the name of the file'
    if problem:
        raise UserError(f'{path}: TASK: {problem}')
    return task


def _metrics_of(path: Path, task: str) -> Any:
    """The metrics of the literal of another task in a config's folder.

    Raises:
        UserError: There is none, or it names another one itself.
    """
    other = path.with_name(f'{task}.py')
    literal = own_literals(other).get('TASK') if other.is_file() else None
    found = literal.get('metrics') if isinstance(literal, dict) else None
    if not isinstance(found, dict):
        raise UserError(
            f'{path}: TASK.metrics is {task!r}: {other} has no metrics of '
            'its own.'
        )
    return found


@lru_cache(maxsize=4)
def _table(folders: tuple[Path, ...]) -> Table:
    return Table(folders)


def tasks() -> Table:
    """Every task that is installed, read once per process."""
    return _table(tuple(config_dirs()))


def find_task(name: str) -> Task:
    """The task of an id.

    Raises:
        UserError: Unknown, with the nearest ids, or its config is broken.
    """
    table = tasks()
    found = table.get(name)
    if found is not None:
        return found
    if name in table.broken:
        raise UserError(table.broken[name])
    raise unknown_name('task', name, table)


def task_config(name: str) -> Path:
    """The config file of a task.

    Raises:
        UserError: As `find_task`.
    """
    find_task(name)
    return tasks().paths[name]


def recipes_of(name: str) -> tuple[str, ...]:
    """Names of a task's recipes, also of those that its bases have.

    Raises:
        UserError: As `find_task`, or a base that cannot be read.
    """
    return tuple(read_literals(task_config(name)).get('recipes') or ())


def on_own_data(
    name: str, own: OwnData, folder: str | Path = 'work_dirs/transfer'
) -> Task:
    """A task with own data in place of its data set.

    It is added to the table, so that everything finds it by its id.

    Args:
        name (str): Id of a task.
        own (OwnData): The data.
        folder (str | Path): Where a file is written that is made of them:
            XML files in COCO's form.

    Raises:
        UserError: As `find_task`, or a detection task does not take them.
    """
    base = find_task(name)
    own = fit_objects(name, base.metrics, own, folder)
    fields = {key: getattr(base, key) for key in Task.model_fields}
    count = len(own.classes)
    kept = {
        key: rule
        for key, rule in base.metrics.items()
        if own.kind != 'folders' or says_something(key, count)
    }
    task = Task.model_validate(
        dict(
            fields,
            metrics=kept,
            shown=tuple(key for key in base.shown if key in kept),
            id=own.task_id(name),
            title=f'{own.name}: {base.title}',
            own=own,
            gpu_hours=None,
            recipe_gpu_hours={},
            cost_source='',
        )
    )
    tasks().add(task, task_config(name))
    return task


def says_something(metric: str, classes: int) -> bool:
    """Whether a metric of so many classes is not 100 whatever is predicted.

    Args:
        metric (str): ``top5`` is the share of images whose class is among
            the five likeliest; another name is not of this kind.
        classes (int): Of the data.
    """
    found = re.fullmatch(r'top(\d+)', metric)
    return found is None or int(found[1]) < classes


def require_packages(name: str) -> None:
    """Check that the packages that only this task needs are installed.

    Raises:
        UserError: Says what to install.
    """
    missing = [
        package
        for package in find_task(name).packages
        if find_spec(package) is None
    ]
    if missing:
        raise UserError(
            f'{name} needs the package {missing[0]}: pip install '
            f'{" ".join(missing)}'
        )


def require_data(name: str, root: str | Path) -> None:
    """Check that a task's data are below ``root``.

    Raises:
        UserError: Says what was looked for and how to prepare it.
    """
    dataset = find_task(name).data
    missing = dataset.missing(root)
    if missing:
        more = f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''
        raise UserError(
            f'{name} needs {dataset.title}: {missing[0]} is not there{more}. '
            f'Prepare it with: {dataset.how_to_prepare(root)}; or name '
            'another root with --data-root.'
        )
