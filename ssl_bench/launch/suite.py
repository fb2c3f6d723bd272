"""A suite: which methods and which tasks. Read from YAML, checked whole."""

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ssl_bench.cfg_options import SEEDS
from ssl_bench.config import config_dir
from ssl_bench.errors import UserError, alternatives, near_names, unknown_name
from ssl_bench.header_fields import read_fields
from ssl_bench.results.record import FULL
from ssl_bench.tasks.custom import task_ids
from ssl_bench.tasks.table import find_task, recipes_of

Text = Annotated[str, Strict()]
Truth = Annotated[bool, Strict()]
Number = Annotated[int, Strict(), Field(ge=0)]
AboveZero = Annotated[int, Strict(), Field(gt=0)]
OWN = 'default'  # in a file: the settings that a task has without a recipe


def _recipe_names(value: Any) -> Any:
    """One name is a list of one; `OWN` is no recipe."""
    names = value if isinstance(value, (list, tuple)) else [value]
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(f'must be a text or a list of texts, not {value!r}')
    return tuple('' if name == OWN else name for name in names)


def _kinds(value: Any) -> Any:
    """One kind is a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


Recipes = Annotated[tuple[Text, ...], BeforeValidator(_recipe_names)]
Kinds = Annotated[
    tuple[Text, ...], Field(min_length=1), BeforeValidator(_kinds)
]


class Run(NamedTuple):
    """A task, one of its recipes (an empty text for none), what is trained."""

    task: str
    recipe: str = ''
    train: str = FULL

    def __str__(self) -> str:
        kind = '' if self.train == FULL else f' --train {self.train}'
        return (
            self.task
            + (f' --recipe {self.recipe}' if self.recipe else '')
            + kind
        )


class _Entry(BaseModel):
    """A part of a suite; a key that it does not have is an error."""

    model_config = ConfigDict(extra='forbid', frozen=True)


class Method(_Entry):
    """One row of a comparison: what is pretrained, or given as weights.

    In a file it may be a text: a config, if it ends in ``.py``, or a
    checkpoint.

    Attributes:
        config (str): Pretraining config; empty for given weights.
        checkpoint (str): What `ssl-bench transfer` takes for these: a file,
            ``random``, ``supervised=FILE``, the name of a method.
        tasks (tuple[str, ...]): Instead of the suite's.
        arch, name, variant (str): ``--arch``, ``--method`` and
            ``--variant`` of `ssl-bench transfer`.
        meta (dict): Its ``--meta``, of a checkpoint whose file does not say
            what it is: ``pretrain_data`` and others.
        recipes, train (dict): Of some tasks, instead of the suite's.
        amp (bool): Pretrain under bfloat16 autocast.
        overrides (dict): Dotted keys of the pretraining config.
    """

    config: Text = ''
    checkpoint: Text = ''
    tasks: tuple[Text, ...] = ()
    arch: Text = ''
    name: Text = ''
    variant: Text = ''
    meta: dict[Text, Text | Number] = {}
    recipes: dict[Text, Recipes] = {}
    train: dict[Text, Kinds] = {}
    amp: Truth = False
    overrides: dict[Text, Any] = {}

    @model_validator(mode='before')
    @classmethod
    def _from_text(cls, entry: Any) -> Any:
        if not isinstance(entry, str):
            return entry
        return {'config' if entry.endswith('.py') else 'checkpoint': entry}

    @model_validator(mode='after')
    def _one_source(self) -> 'Method':
        if bool(self.config) == bool(self.checkpoint):
            raise ValueError('needs one of `config` and `checkpoint`')
        if self.checkpoint and (self.overrides or self.amp):
            raise ValueError(
                'has `overrides` or `amp`, which are settings of the '
                'pretraining, but a checkpoint is already pretrained'
            )
        if self.meta and self.config:
            raise ValueError(
                'has `meta`, which is of a given file: a pretraining writes '
                'its own'
            )
        for key in ('method', 'variant'):
            if key in self.meta:
                name = 'name' if key == 'method' else key
                raise ValueError(f'has {key} in `meta`: write `{name}`')
        read_fields(self.meta_words)
        return self

    @property
    def meta_words(self) -> list[str]:
        """Those of ``--meta``: ``KEY=VALUE``."""
        return [f'{key}={value}' for key, value in self.meta.items()]


class Launch(_Entry):
    """Where the commands run, and in how many processes.

    Attributes:
        executor (str): ``local`` or ``slurm``.
        processes (int): Of a command, on each node: one a device, or CPU
            processes.
        nodes (int): Of a command; more than one with Slurm only.
        jobs (int): Commands at a time, with ``local``; 0 for what the
            machine allows (`local.default_jobs`).
        per (str): ``task``: each task is a command of its own; ``method``:
            a method's tasks follow each other in one.
        slurm (dict): Further settings of submitit's ``AutoExecutor``:
            ``slurm_partition``, ``timeout_min``, ``cpus_per_task``, ...
    """

    executor: Literal['local', 'slurm'] = 'local'
    processes: AboveZero = 1
    nodes: AboveZero = 1
    jobs: Number = 0
    per: Literal['task', 'method'] = 'task'
    slurm: dict[Text, Any] = {}

    @model_validator(mode='after')
    def _nodes_need_slurm(self) -> 'Launch':
        if self.nodes > 1 and self.executor != 'slurm':
            raise ValueError(
                f'has `nodes: {self.nodes}`: several machines need '
                '`executor: slurm`'
            )
        return self


Seed = Annotated[int, Strict(), Field(ge=0, lt=SEEDS)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]


class Suite(_Entry):
    """Methods x tasks x seeds.

    Attributes:
        methods (tuple[Method, ...]): In the order in which they run.
        tasks (tuple[str, ...]): Task ids; in a file also files of tasks
            (``my_task.py``), relative to it or to the current folder.
        recipes (dict): By task, the ``--recipe`` of each run: a name or
            several; ``default`` is the task without a recipe. A task that
            tests the classifier of another one has the recipes of that one.
        train (dict): By task, the ``--train`` of each run: a kind or
            several, as `ssl_bench.transfer.trained.read_kind` reads them; a
            classifier's test has that of its training.
        seeds (tuple[int, ...]): Of the transfers.
        task_seeds (dict): Of some tasks, instead of ``seeds``.
        pretrain_each_seed (bool): Pretrain once for each seed; else once,
            with the first, as the papers do.
        work_dir (str): Checkpoints and records; work_dirs/NAME.
        data_root (str): As of `ssl-bench transfer`; pretraining reads
            ``imagenet/train`` below it.
        overrides (dict): Dotted keys of every task's config.
        visualize (int): Test images drawn for each run.
        launch (Launch): Where the commands run.
    """

    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    tasks: tuple[Text, ...] = ()
    recipes: dict[Text, Recipes] = {}
    train: dict[Text, Kinds] = {}
    seeds: Seeds = (0,)
    task_seeds: dict[Text, Seeds] = {}
    pretrain_each_seed: Truth = False
    work_dir: Text = ''
    data_root: Text = ''
    overrides: dict[Text, Any] = {}
    visualize: Number = 0
    launch: Launch = Launch()

    @field_validator('launch', mode='before')
    @classmethod
    def _empty_launch(cls, value: Any) -> Any:
        return {} if value is None else value  # `launch:` and nothing more

    @model_validator(mode='after')
    def _known_tasks(self) -> 'Suite':
        for number, method in enumerate(self.methods):
            if not self.tasks_of(method):
                raise ValueError(
                    f'methods[{number}] has no tasks: name them there, or in '
                    '`tasks` for all methods'
                )
            _check_once(self.tasks_of(method))
            _check_recipes(method.recipes)
            _check_kinds(method.train)
            for task in self.tasks_of(method):
                find_task(task)
        _check_recipes(self.recipes)
        _check_kinds(self.train)
        for seeds in (self.seeds, *self.task_seeds.values()):
            _check_once(seeds)
        run = {task for method in self.methods for task in method.tasks}
        run.update(self.tasks)
        for key in ('recipes', 'task_seeds', 'train'):
            for task in getattr(self, key):
                find_task(task)
                if task not in run:
                    raise ValueError(
                        f'{key} names {task}, which no method runs'
                    )
        return self

    def tasks_of(self, method: Method) -> tuple[str, ...]:
        """What a method is transferred to."""
        return method.tasks or self.tasks

    def runs_of(self, method: Method) -> tuple[Run, ...]:
        """The tasks of a method, each with all that it has.

        These are its recipes, and what is trained.
        """
        return tuple(
            Run(task, recipe, kind)
            for task in self.tasks_of(method)
            for recipe in self.recipes_of(method, task)
            for kind in self.kinds_of(method, task)
        )

    def kinds_of(self, method: Method, task: str) -> tuple[str, ...]:
        """What is trained in the runs of a method's task.

        As the recipes, a classifier's test has its.
        """
        for kinds in (method.train, self.train):
            if task in kinds:
                return kinds[task]
        trainer = find_task(task).trained_by
        return self.kinds_of(method, trainer) if trainer else (FULL,)

    def recipes_of(self, method: Method, task: str) -> tuple[str, ...]:
        """Recipes of a method's task.

        A task that tests another's classifier has that one's, unless it is
        named itself.
        """
        for recipes in (method.recipes, self.recipes):
            if task in recipes:
                return recipes[task]
        trainer = find_task(task).trained_by
        return self.recipes_of(method, trainer) if trainer else ('',)

    def seeds_of(self, task: str) -> tuple[int, ...]:
        """Seeds of a task; as the recipes, a classifier's test has its."""
        trainer = find_task(task).trained_by
        if trainer and task not in self.task_seeds:
            return self.seeds_of(trainer)
        return self.task_seeds.get(task, self.seeds)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed that some task has, the suite's own first."""
        more = [seed for row in self.task_seeds.values() for seed in row]
        return tuple(dict.fromkeys((*self.seeds, *more)))


def _check_once(values: tuple[Any, ...]) -> None:
    """Refuse a value that is listed twice.

    Raises:
        ValueError: Names it.
    """
    twice = [str(value) for value in values if values.count(value) > 1]
    if twice:
        raise ValueError(f'names {twice[0] or OWN} twice')


def _check_recipes(recipes: dict[str, tuple[str, ...]]) -> None:
    """Refuse what a task does not have.

    Raises:
        UserError: Unknown task or recipe.
        ValueError: A recipe twice.
    """
    for task, names in recipes.items():
        known = recipes_of(task)
        for name in names:
            if name and name not in known:
                raise unknown_name(
                    f'recipe of {task}', name, known or ['none']
                )
        _check_once(names)


def _check_kinds(kinds: dict[str, tuple[str, ...]]) -> None:
    """Refuse what ``--train`` does not take.

    Raises:
        UserError: Not a kind.
        ValueError: A kind twice.
    """
    if not kinds:
        return
    from ssl_bench.transfer.trained import read_kind  # which imports torch

    for names in kinds.values():
        _check_once(tuple(str(read_kind(name)) for name in names))


def read_suite(path: str | Path) -> Suite:
    """Read a suite.

    Args:
        path (str | Path): A file, or the name of one below ``suites``:
            ``insloc``, ``ablations/insloc``.

    Returns:
        Suite: Every name checked; no file that it names was opened.

    Raises:
        UserError: No such file, not YAML, or a wrong entry: the message
            names its place.
    """
    import yaml

    path = _find(Path(path))
    try:
        text = path.read_text(encoding='utf-8')
        content = yaml.safe_load(text)
        twice = _key_twice(yaml.compose(text, yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f'suite {path} is not YAML: {" ".join(str(error).split())}'
        ) from error
    if twice:
        raise UserError(f'suite {path}: the key {twice!r} is there twice.')
    if isinstance(content, dict):
        content = {'work_dir': f'work_dirs/{_name(path)}', **content}
    try:
        _name_files(content, path.parent)
        return _checked(content)
    except UserError as error:
        raise UserError(f'suite {path}: {error}') from error


def _name_files(content: Any, folder: Path) -> None:
    """Put the ids of tasks where a suite names their files.

    Args:
        content (Any): Of the file, not yet checked; changed in place.
        folder (Path): Of the file; paths are relative to it, or to the
            current folder.

    Raises:
        UserError: As `task_ids`.
    """
    if not isinstance(content, dict):
        return
    methods, named = content.get('methods'), dict[str, Path]()
    for part in (content, *(methods if isinstance(methods, list) else ())):
        if not isinstance(part, dict):
            continue
        for key in ('tasks', 'recipes', 'task_seeds', 'train'):
            value = part.get(key)
            if not isinstance(value, (list, dict)):
                continue
            ids = [
                task_ids([word], [folder], named)[0]
                if isinstance(word, str)
                else word
                for word in value
            ]
            part[key] = (
                dict(zip(ids, value.values()))
                if isinstance(value, dict)
                else ids
            )


def _key_twice(node: Any) -> str:
    """A key that a mapping of a YAML file has twice, or ''.

    YAML itself would take the last of them.
    """
    found, inner = [], []
    for entry in getattr(node, 'value', ()):
        if isinstance(entry, tuple):
            found.append(entry[0].value)
            inner.append(entry[1])
        elif not isinstance(entry, str):
            inner.append(entry)
    twice = [key for key in found if found.count(key) > 1]
    return (
        str(twice[0])
        if twice
        else next(filter(None, map(_key_twice, inner)), '')
    )


def suites_dir() -> Path:
    """The folder ``suites``, in the checkout or installed with us."""
    return config_dir().parent / 'suites'


def suite_names() -> list[str]:
    """What `read_suite` finds below ``suites``: ``ablations/insloc``."""
    return sorted(map(_name, suites_dir().rglob('*.yaml')))


def _name(path: Path) -> str:
    """``insloc``; of a file in a folder of ours with the folder's name."""
    path, folder = path.resolve(), suites_dir().resolve()
    if path.is_relative_to(folder):
        return path.relative_to(folder).with_suffix('').as_posix()
    return path.stem


def _find(path: Path) -> Path:
    name = str(path).removesuffix('.yaml').removeprefix('suites/')
    for candidate in (path, suites_dir() / f'{name}.yaml'):
        if candidate.is_file():
            return candidate
    known = suite_names()
    near = near_names(name, known)
    hint = f'Did you mean {alternatives(near)}? ' if near else ''
    raise UserError(
        f'no suite at {path}. {hint}Name a YAML file, or one of these: '
        + ', '.join(name for name in known if '/' not in name)
        + '; ablations/NAME.'
    )


def _checked(content: Any) -> Suite:
    """The suite; messages do not name the file.

    Raises:
        UserError: The first thing that is wrong, with its place.
    """
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        raise _problem(error.errors()[0]) from error


# What a value must be, by the kind of pydantic's error.
_ASKED = {
    'string_type': 'a text',
    'int_type': 'a whole number',
    'bool_type': 'true or false',
    'tuple_type': 'a list',
    'dict_type': 'keys and values',
    'model_type': 'keys and values',
}


def _problem(error: ErrorDetails) -> UserError:
    """One of pydantic's errors in words, with its place in the file."""
    kind, value, parts = error['type'], error['input'], error['loc']
    models: dict[str, type[_Entry]] = {'launch': Launch, 'methods': Method}
    if kind in ('extra_forbidden', 'invalid_key'):
        model = models.get(str(parts[0]), Suite) if parts[:-1] else Suite
        return unknown_name(
            f'key of {_place(parts[:-1])}', str(parts[-1]), model.model_fields
        )
    place = _place(parts)
    if kind == 'literal_error':
        field = models[str(parts[0])].model_fields[str(parts[-1])]
        return unknown_name(place, str(value), get_args(field.annotation))
    if kind == 'value_error':
        text = str(error['ctx']['error'])
        return UserError(f'{place} {text}.' if parts else f'{text}.')
    if kind in ('missing', 'too_short') or place == 'methods':
        return UserError(f'{place} must list at least one value.')
    if kind == 'less_than':
        asked = f'below {error["ctx"]["lt"]}'
    elif kind == 'greater_than':
        asked = f'above {error["ctx"]["gt"]}'
    elif kind == 'greater_than_equal':
        asked = f'at least {error["ctx"]["ge"]}'
    else:
        asked = _ASKED.get(kind, error['msg'])
    return UserError(f'{place} must be {asked}, not {value!r}.')


def _place(parts: tuple[int | str, ...]) -> str:
    """``methods[0].tasks``, or ``the file``."""
    text = ''.join(
        f'[{part}]' if isinstance(part, int) else f'.{part}' for part in parts
    )
    return text.lstrip('.') or 'the file'


def with_options(suite: Suite, **options: Any | None) -> Suite:
    """The suite with the options of the command line instead.

    Raises:
        UserError: Together they are not a suite.
    """
    given = {key: value for key, value in options.items() if value is not None}
    launch = suite.launch.model_dump() | {
        key: given.pop(key) for key in ('executor', 'jobs') if key in given
    }
    if 'seeds' in given:
        given['task_seeds'] = {}  # these seeds are of every task
    return _checked({**dict(suite), **given, 'launch': launch})
