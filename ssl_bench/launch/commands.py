"""The commands of a suite: one pretraining, or transfers of one checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssl_bench.baselines import ALIASES
from ssl_bench.cfg_options import option_words
from ssl_bench.config import load_config
from ssl_bench.launch.command import Command
from ssl_bench.launch.costs import pretraining_seconds, transfer_seconds
from ssl_bench.launch.suite import Method, Run, Suite
from ssl_bench.results.names import label
from ssl_bench.results.record import FULL
from ssl_bench.tasks.custom import task_word
from ssl_bench.transfer.source import LABELS, RANDOM, SUPERVISED


def pretrain_command(
    suite: Suite,
    method: Method,
    folder: Path,
    seed: int,
    options: dict[str, Any],
    epochs: int,
) -> Command:
    """Pretrain a method.

    Args:
        folder (Path): Where its checkpoints go.
        options (dict): Dotted keys of its config.
        epochs (int): With these options.
    """
    words = (
        'pretrain',
        method.config,
        '--work-dir',
        str(folder),
        '--seed',
        str(seed),
        '--quiet',
        '--resume',
        'auto',
        '--wait',
        *(['--amp'] if method.amp else []),
        *option_words(options),
    )
    return Command(
        words,
        title=f'pretrain {name_of(suite, method)}, seed {seed}',
        kind=f'{method.config} {method.overrides}',
        seconds=pretraining_seconds(method.config, epochs, _processes(suite)),
    )


def transfer_command(
    suite: Suite,
    method: Method,
    checkpoint: str,
    runs: Sequence[Run],
    seed: int,
    after: int | None,
) -> Command:
    """Transfer a checkpoint to tasks, which share recipe and training.

    Args:
        checkpoint (str): Of the method.
        runs (sequence[Run]): The tasks.
        after (int, optional): The command that must end first.
    """
    given = {
        '--data-root': suite.data_root,
        '--arch': method.arch,
        '--method': method.name,
        '--variant': method.variant,
        '--recipe': runs[0].recipe,
        '--train': '' if runs[0].train == FULL else runs[0].train,
        '--visualize': str(suite.visualize or ''),
    }
    options = [(name, value) for name, value in given.items() if value]
    options += [('--meta', word) for word in method.meta_words]
    words = (
        'transfer',
        checkpoint,
        '--tasks',
        *(task_word(run.task) for run in runs),
        '--seeds',
        str(seed),
        '--work-dir',
        suite.work_dir,
        '--wait',  # for one that a killed runner left, which still saves
        *(word for option in options for word in option),
        *option_words(suite.overrides),
    )
    tasks = ', '.join(map(str, runs))
    return Command(
        words,
        after,
        title=f'transfer {name_of(suite, method)} to {tasks}, seed {seed}',
        kind=tasks,
        seconds=transfer_seconds(runs, _processes(suite)),
    )


def name_of(suite: Suite, method: Method) -> str:
    """What a method is called, for people; with its network if needed."""
    name, variant = method.name, method.variant
    if method.config and not name:
        own = load_config(method.config).get('method') or {}
        name = own.get('name') or Path(method.config).stem
        variant = variant or own.get('variant') or ''
    if not name:
        word, _, rest = method.checkpoint.partition('=')
        controls = {RANDOM: ALIASES[RANDOM], SUPERVISED: LABELS['method']}
        name = controls.get(word, Path(rest or word).name)
    same = [other for other in suite.methods if _is_same(method, other)]
    text = label(name, variant)
    return f'{text} [{method.arch}]' if len(same) > 1 else text


def _is_same(method: Method, other: Method) -> bool:
    """Whether two methods differ in their network only."""
    update = {'arch': '', 'tasks': ()}
    return method.model_copy(update=update) == other.model_copy(update=update)


def _processes(suite: Suite) -> int:
    return suite.launch.processes * suite.launch.nodes
