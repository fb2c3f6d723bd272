"""A suite: methods, tasks and seeds. Read from YAML and checked."""

import difflib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ssl_bench.config import config_dir
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.table import find_task

# what a value can be, by the annotation of its field
KINDS = {
    str: (str, 'a text'),
    int: (int, 'a whole number'),
    bool: (bool, 'true or false'),
    dict: (dict, 'keys and values'),
}


@dataclass(frozen=True)
class Method:
    """One row of a comparison: a config to pretrain, or a checkpoint.

    Attributes:
        config (str): Pretraining config; empty if there is a checkpoint.
        checkpoint (str): What `ssl-bench transfer` takes: a file,
            ``random``, ``supervised=FILE``, or the name of a method.
        tasks (tuple[str, ...]): Instead of the suite's.
        arch, name, variant (str): ``--arch``, ``--method`` and
            ``--variant`` of `ssl-bench transfer`.
        recipes (dict): By task, its ``--recipe``.
        amp (bool): Pretrain under bfloat16 autocast.
        overrides (dict): Dotted keys of the pretraining config.
    """

    config: str = ''
    checkpoint: str = ''
    tasks: tuple[str, ...] = ()
    arch: str = ''
    name: str = ''
    variant: str = ''
    recipes: dict[str, str] = field(default_factory=dict)
    amp: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """Where the commands run, and in how many processes.

    Attributes:
        executor (str): ``local`` or ``slurm``.
        processes (int): Of a command on each node: one for each device, or
            CPU processes.
        nodes (int): Of a command; more than one only with Slurm.
        jobs (int): Commands at a time with ``local``; 0 for
            `local.default_jobs`.
        per (str): ``task``: one command for each task; ``method``: one for
            all tasks of a method.
        slurm (dict): Further settings of submitit's ``AutoExecutor``:
            ``slurm_partition``, ``timeout_min``, ``cpus_per_task``, ...
    """

    executor: str = 'local'
    processes: int = 1
    nodes: int = 1
    jobs: int = 0
    per: str = 'task'
    slurm: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """Methods x tasks x seeds.

    Attributes:
        methods (tuple[Method, ...]): In the order in which they run.
        tasks (tuple[str, ...]): Task ids.
        seeds (tuple[int, ...]): Of the transfers.
        pretrain_each_seed (bool): Pretrain once for each seed; otherwise
            once, with the first seed, as the papers do.
        work_dir (str): Checkpoints and records; work_dirs/NAME.
        data_root (str): As of `ssl-bench transfer`; pretraining reads
            ``imagenet/train`` below it.
        overrides (dict): Dotted keys of every task's config.
        visualize (int): Test images drawn for each run.
        launch (Launch): Where the commands run.
    """

    methods: tuple[Method, ...]
    tasks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    pretrain_each_seed: bool = False
    work_dir: str = ''
    data_root: str = ''
    overrides: dict[str, Any] = field(default_factory=dict)
    visualize: int = 0
    launch: Launch = Launch()

    def tasks_of(self, method: Method) -> tuple[str, ...]:
        """The tasks of a method: its own, or the suite's."""
        return method.tasks or self.tasks


def read_suite(path: str | Path) -> Suite:
    """Read a suite.

    Args:
        path (str | Path): A file, or the name of one below ``suites``.

    Returns:
        Suite: All names are checked; the files that it names are not opened.

    Raises:
        UserError: There is no such file, it is not YAML, or an entry is not
            valid; the message says which.
    """
    import yaml

    path = _find(Path(path))
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(
            f'suite {path} is not YAML: {" ".join(str(error).split())}'
        ) from error
    try:
        return _suite(content, path)
    except UserError as error:
        raise UserError(f'suite {path}: {error}') from error


def _find(path: Path) -> Path:
    folder = config_dir().parent / 'suites'
    for candidate in (path, folder / f'{path.name}.yaml'):
        if candidate.is_file():
            return candidate
    known = sorted(file.stem for file in folder.glob('*.yaml'))
    near = difflib.get_close_matches(path.stem, known, n=3, cutoff=0.4)
    hint = f' Did you mean {" or ".join(near)}?' if near else ''
    raise UserError(f'no suite at {path}.{hint}')


def _suite(content: Any, path: Path) -> Suite:
    """Check a suite; messages do not name the file."""
    content = _mapping(content, 'the file')
    methods = content.pop('methods', None)
    if not isinstance(methods, list) or not methods:
        raise UserError('`methods` must list at least one method.')
    launch = _build(Launch, content.pop('launch', None) or {}, 'launch')
    rows = tuple(
        _method(entry, f'methods[{number}]')
        for number, entry in enumerate(methods)
    )
    suite = _build(
        Suite,
        {'work_dir': f'work_dirs/{path.stem}', **content},
        'the file',
        methods=rows,
        launch=launch,
    )
    for number, method in enumerate(suite.methods):
        if not suite.tasks_of(method):
            raise UserError(
                f'methods[{number}] has no tasks: name them '
                'there, or in `tasks` for all methods.'
            )
        for task in (*suite.tasks_of(method), *method.recipes):
            find_task(task)
    if not suite.seeds:
        raise UserError('`seeds` must have at least one number.')
    _check_launch(launch)
    return suite


def _check_launch(launch: Launch) -> None:
    for name, value, known in (
        ('executor', launch.executor, ('local', 'slurm')),
        ('per', launch.per, ('task', 'method')),
    ):
        if value not in known:
            raise unknown_name(f'launch.{name}', value, known)
    for name in ('processes', 'nodes'):
        if getattr(launch, name) < 1:
            raise UserError(
                f'launch.{name} must be above 0, not {getattr(launch, name)}.'
            )
    if launch.nodes > 1 and launch.executor != 'slurm':
        raise UserError(
            f'launch.nodes is {launch.nodes}: several machines '
            'need `executor: slurm`.'
        )


def _method(entry: Any, where: str) -> Method:
    if isinstance(entry, str):
        key = 'config' if entry.endswith('.py') else 'checkpoint'
        entry = {key: entry}
    method = _build(Method, entry, where)
    if bool(method.config) == bool(method.checkpoint):
        raise UserError(f'{where} needs one of `config` and `checkpoint`.')
    if method.checkpoint and (method.overrides or method.amp):
        raise UserError(
            f'{where}: `overrides` and `amp` are for pretraining, '
            'but a checkpoint is pretrained already.'
        )
    return method


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f'{where} must be keys and values, not {value!r}.')
    return dict(value)


def _build(kind: type, content: Any, where: str, **ready: Any) -> Any:
    """A dataclass from YAML's values; their types are checked."""
    taken = {
        entry.name: entry.type
        for entry in fields(kind)
        if entry.name not in ready
    }
    values = dict(ready)
    for key, value in _mapping(content, where).items():
        if key not in taken:
            raise unknown_name(f'key of {where}', str(key), taken)
        values[key] = _value(taken[key], value, f'`{key}` of {where}')
    return kind(**values)


def _value(kind: Any, value: Any, where: str) -> Any:
    """One value; lists become tuples."""
    of = getattr(kind, '__args__', (None,))[0]
    if getattr(kind, '__origin__', None) is tuple:
        if not isinstance(value, list):
            raise UserError(f'{where} must be a list, not {value!r}.')
        return tuple(_value(of, item, where) for item in value)
    accepted, words = KINDS[getattr(kind, '__origin__', kind)]
    # in Python, true is a number
    if not isinstance(value, accepted) or (
        accepted is int and isinstance(value, bool)
    ):
        raise UserError(f'{where} must be {words}, not {value!r}.')
    return value


def with_options(suite: Suite, **options: Any | None) -> Suite:
    """The suite with the options of the command line."""
    given = {key: value for key, value in options.items() if value is not None}
    launch = {
        key: given.pop(key) for key in ('executor', 'jobs') if key in given
    }
    suite = replace(suite, launch=replace(suite.launch, **launch), **given)
    _check_launch(suite.launch)
    return suite
