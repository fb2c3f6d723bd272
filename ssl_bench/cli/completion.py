"""Completion of words with the Tab key, by argcomplete.

The shell starts ``ssl-bench`` with some variables for every press of the key,
so that nothing here imports a toolkit: names come from the files that have
them.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator

COMPLETING = '_ARGCOMPLETE'  # set by the shell, in its call
CONTROLS = ('random', 'supervised=')


def complete(parser: argparse.ArgumentParser) -> None:
    """Print what the word at the cursor can become, and end the process.

    Without argcomplete nothing is offered.
    """
    try:
        import argcomplete
    except ImportError:
        return
    attach(parser)
    argcomplete.autocomplete(parser)


def attach(parser: argparse.ArgumentParser) -> None:
    """Give every argument that takes a name of ours its completer."""
    for command, action in _actions(parser, ''):
        names = NAMES.get((command, action.dest)) or NAMES.get(
            ('', action.dest)
        )
        if names and action.choices is None:
            files = (command, action.dest) in FILES
            action.completer = _completer(  # type: ignore[attr-defined]
                names, files
            )


def _actions(
    parser: argparse.ArgumentParser, command: str
) -> Iterator[tuple[str, argparse.Action]]:
    """Every argument with the name of its command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _actions(below, command or name)
        else:
            yield command, action


def _completer(names: Callable[[], Iterable[str]], files: bool) -> Callable:
    """In argcomplete's form: names that begin as the word does, and files."""
    from argcomplete.completers import FilesCompleter

    def offered(prefix: str, **_: object) -> list[str]:
        found = [name for name in names() if name.startswith(prefix)]
        return [*found, *(FilesCompleter()(prefix) if files else ())]

    return offered


def task_names() -> list[str]:
    """Ids of the tasks: the names of their configs."""
    from ssl_bench.config import config_dirs

    return sorted(
        path.stem
        for folder in config_dirs()
        for path in (folder / 'transfer').glob('*.py')
    )


def config_names() -> list[str]:
    """Pretraining configs, as `ssl-bench methods` writes them."""
    from ssl_bench.config import config_dirs, display_name

    return [
        display_name(path)
        for folder in config_dirs()
        for pattern in ('*.py', 'mini/*.py')
        for path in sorted(folder.glob(pattern))
    ]


def suite_names() -> list[str]:
    """Names of the suites that are installed."""
    from ssl_bench.launch.suite import suite_names as names

    return names()


def method_names() -> list[str]:
    """Names of methods as a shell takes them without quotes: ``mocov2``."""
    from ssl_bench.catalog import methods

    return sorted(name.lower().replace(' ', '') for name in methods())


def checkpoints() -> list[str]:
    """The controls, then the methods."""
    return [*CONTROLS, *method_names()]


def papers() -> list[str]:
    """Papers whose tables can be made."""
    from ssl_bench.results.papers import PAPERS

    return list(PAPERS)


def shown_methods() -> list[str]:
    """What `ssl-bench methods` takes: a method, or an action."""
    return ['list', 'show', 'table', *method_names()]


# (command, argument); of any command where '' is the command
NAMES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    ('', 'tasks'): task_names,
    ('', 'methods'): method_names,
    ('', 'baseline'): method_names,
    ('', 'paper'): papers,
    ('transfer', 'checkpoints'): checkpoints,
    ('judge', 'checkpoints'): method_names,
    ('pretrain', 'config'): config_names,
    ('run', 'suite'): suite_names,
    ('methods', 'names'): shown_methods,
}
# those that take a file as well
FILES = {
    ('transfer', 'checkpoints'),
    ('judge', 'checkpoints'),
    ('pretrain', 'config'),
    ('run', 'suite'),
}
