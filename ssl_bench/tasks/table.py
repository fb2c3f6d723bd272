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

from pydantic import ValidationError

from ssl_bench.config import config_dirs, own_literals, read_literals
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.datasets import DATASETS, Dataset, own_dataset
from ssl_bench.tasks.facts import Facts, Metric
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.own.fitting import fit_objects

FOLDER = 'transfer'  # below each folder of configs
# of a task that was changed: what it costs is not known
COST: dict[str, Any] = dict(
    gpu_hours=None, recipe_gpu_hours={}, cost_source=''
)
TOOLBOXES = ('mmdet', 'mmseg', 'mmpretrain', 'probe')


class Task(Facts):
    """What a downstream task is; how it runs is the rest of its config.

    In a literal, ``metrics`` may be the id of a task next to it whose
    metrics it has.

    Attributes, besides those of `Facts`:
        id (str): The config's file name.
        toolbox (str): ``mmdet``, ``mmseg``, ``mmpretrain``, or ``probe``
            for frozen features without training by gradient.
        dataset (str | dict): Key of `datasets.DATASETS`, or the arguments
            of `datasets.own_dataset`.
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

    id: str
    toolbox: str
    dataset: str | dict[str, Any]
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

    def problem(self) -> str:
        """What is wrong with the literal, beyond the types; often empty."""
        if self.toolbox not in TOOLBOXES:
            return f'toolbox {self.toolbox!r} is none of {TOOLBOXES}'
        try:
            _ = self.data
        except UserError as error:
            return f'dataset: {error}'
        if self.facts_problem:
            return self.facts_problem
        known = self.gpu_hours is not None or bool(self.recipe_gpu_hours)
        if known != bool(self.cost_source):
            return '`gpu_hours` and `cost_source` need each other'
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
        self._learned: dict[str, Facts] = {}
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

    def learn(self, facts: Mapping[str, Facts]) -> None:
        """Note what records say of tasks that are not in the table."""
        self._learned.update(facts)

    def facts(self, name: str) -> Facts | None:
        """Of a task, or of one that a record of it describes."""
        return self.get(name) or self._learned.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


def read_task(path: Path) -> Task:
    """Read the literal ``TASK`` of a config, running nothing.

    Raises:
        UserError: There is none, or it is not what `Task` says.
    """
    literal = task_literal(path)
    if literal is None:
        raise UserError(
            f'{path} has no literal `TASK = dict(...)`, which says what the '
            'task is (docs/add_a_task.md).'
        )
    if literal.get('id', path.stem) != path.stem:
        raise UserError(
            f'{path}: TASK: id {literal["id"]!r} is not the name of the file'
        )
    return make_task(literal, path)


def task_literal(path: Path) -> dict[str, Any] | None:
    """The literal ``TASK`` of a config, with its metrics; None without.

    Raises:
        UserError: The config is not Python, or the literal names metrics of
            a task that has none.
    """
    literal = own_literals(path).get('TASK')
    if not isinstance(literal, dict) or not all(
        isinstance(name, str) for name in literal
    ):
        return None
    if isinstance(literal.get('metrics'), str):
        literal['metrics'] = _metrics_of(path, literal['metrics'])
    return literal


def make_task(literal: Mapping[str, Any], path: Path) -> Task:
    """A task from its literal.

    Args:
        literal (Mapping[str, Any]): As `Task`.
        path (Path): Its config, for messages.

    Raises:
        UserError: It is not what `Task` says.
    """
    try:
        task = Task.model_validate(literal)
    except ValidationError as error:
        raise UserError(f'{path}: {_wrong(error)}') from error
    problem = task.problem()
    if problem:
        raise UserError(f'{path}: TASK: {problem}')
    return task


def _wrong(error: ValidationError) -> str:
    """The first thing that is wrong with a literal."""
    first = error.errors()[0]
    *above, name = map(str, first['loc'])
    place = '.'.join(['TASK', *above])
    if first['type'] == 'extra_forbidden':
        known = Metric.model_fields if above else Task.model_fields
        return str(unknown_name(f'field of {place}', name, known))
    return f'{place}.{name}: {first["msg"]}'


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
            **COST,
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
