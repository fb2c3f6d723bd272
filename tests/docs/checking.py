"""Check a command without running it: its words, and what they name.

The words are parsed by the program's own parser. Then configs, tasks, suites,
methods, formats and options are looked up as the program looks them up.
"""

import argparse
import ast
import contextlib
import functools
import importlib
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from ssl_bench.cfg_options import read_options
from ssl_bench.cli import SUBCOMMANDS, build_parser
from ssl_bench.config import find_config, load_config
from ssl_bench.errors import UserError
from ssl_bench.header_fields import RECORDED, read_fields
from tests.docs.pages import ROOT

# what a reader puts a name or a number for, and one of those
PLACEHOLDERS = {
    'CHECKPOINT': 'random',
    'CONFIG': 'configs/mini/mocov2_r18.py',
    'FORMAT': 'pixpro',
    'KEY=VALUE': 'pretrain_data=IN1K',
    'METHOD': 'pixpro',
    'N': '2',
    'PAPER': 'insloc',
    'PIXELS': '224',
    'RANK': '8',
    'SEED': '0',
    'SUITE': 'insloc',
    'TARGET': 'timm',
    'TASK': 'voc0712_det_c4',
}
# what a reader writes before a command names it
OWN_FILES = {
    'my_task.py': "_base_ = 'ssl_bench::transfer/mini_knn.py'\n",
    'my_config.py': "_base_ = 'ssl_bench::mini/mocov2_r18.py'\n",
}
# the subcommands behind the scripts in tools/
TOOLS = {
    'train': 'pretrain',
    'transfer': 'transfer',
    'leaderboard': 'leaderboard',
    'convert_checkpoint': 'convert',
    'run_suite': 'run',
}
# networks that files are of, by what their names begin with; else resnet50
NETWORKS = {
    'dinov2': 'vit_small_patch14_dinov2',
    'dinov3': 'vit_small_patch16_dinov3',
    'torchhub:facebookresearch/dinov2': 'vit_small_patch14_dinov2',
}
# of `ssl-bench methods`, that are not methods
OTHER_WORDS = ('show', 'table', 'NAME')
RUN_FILE = re.compile(r'work_dirs/(?:\w+/)*(\w+)/epoch_(\d+)\.pth')


class Wrong(Exception):
    """What is wrong with a command."""


class Unknown(Exception):
    """A program that nothing here knows."""


def check(words: tuple[str, ...], mention: bool = False) -> None:
    """Check a command.

    Args:
        words: Program and arguments.
        mention: It stands in a sentence: arguments may be missing.

    Raises:
        Wrong, UserError: What is wrong.
        Unknown: The program is not known.
    """
    program, *rest = (PLACEHOLDERS.get(word, word) for word in words)
    if program not in CHECKS:
        raise Unknown(program)
    for word in rest:
        _check_file(word)
    CHECKS[program](rest, mention)


def _check_file(word: str) -> None:
    """Files of ours exist; a checkpoint is one that its config writes."""
    part = word.partition('=')[2] or word
    ours = re.match(r'(configs|suites|tools|tests|benchmarks)/.+\.\w+$', part)
    if ours and not (ROOT / part).is_file():
        raise Wrong(f'{part} is not a file')
    run = RUN_FILE.match(part)
    if not run:
        return
    config = _config_of(run[1])
    epochs = _load(config, ()).train_cfg.get('max_epochs')
    if epochs != int(run[2]):
        raise Wrong(f'{config.name} ends at epoch {epochs}: {part}')


def _config_of(name: str) -> Path:
    """The config whose runs have this name, in the folders of ours."""
    for folder in ('', 'mini/'):
        with contextlib.suppress(UserError):
            return find_config(f'{folder}{name}')
    return find_config(f'mini/short/{name}')


def _ssl_bench(words: list[str], mention: bool) -> None:
    if not words or words[0] == 'COMMAND' or words[0].startswith('-'):
        return
    name = words[0]
    if name not in SUBCOMMANDS:
        raise Wrong(f'there is no ssl-bench {name}')
    parser = build_parser()
    if '--help' in words:
        words = words[: words.index('--help')]
        mention = True
    if mention and _is_part(words):
        _check_options(parser.commands[name], words[1:])
        return
    args = _parsed(parser, words)
    if name in MEANING:
        MEANING[name](args)


def _is_part(words: list[str]) -> bool:
    """Whether only the name of a command is said, and maybe options."""
    first = 2 if words[0] == 'data' else 1
    given = [word for word in words[first:] if not word.startswith('-')]
    return not given or words[1:2] == ['annotate']


def _check_options(parser: argparse.ArgumentParser, words: list[str]) -> None:
    for word in words:
        if word in parser.commands:
            parser = parser.commands[word]
        elif word.startswith('--'):
            if word.partition('=')[0] not in parser._option_string_actions:
                raise Wrong(f'{parser.prog} has no {word}')


def _parsed(
    parser: argparse.ArgumentParser, words: list[str]
) -> argparse.Namespace:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parser.parse_args(words)
    except SystemExit:
        raise Wrong(said.getvalue()) from None


def _pretrain(args: argparse.Namespace) -> None:
    _load(find_config(args.config), tuple(args.cfg_options))


@functools.cache
def _load(path: Path, options: tuple[str, ...]) -> Config:
    """A config; an option that it does not have is an error."""
    return load_config(path, read_options(options))


def _transfer(args: argparse.Namespace) -> None:
    from ssl_bench.tasks.custom import task_ids

    read_fields(args.meta)
    for task in task_ids(args.tasks):
        _plan(
            task,
            args.arch or _network(args.checkpoints[0]),
            tuple(args.cfg_options),
            args.recipe,
            args.fraction,
            args.train,
        )


def _network(checkpoint: str) -> str | None:
    """What a checkpoint of this name holds; None: what the task has."""
    if checkpoint == 'random':
        return None
    if checkpoint.startswith('timm:'):
        return checkpoint.removeprefix('timm:').partition('.')[0]
    name = checkpoint.removeprefix('checkpoints/')
    return next(
        (arch for start, arch in NETWORKS.items() if name.startswith(start)),
        'resnet18-w16' if 'r18' in name else 'resnet50',
    )


@functools.cache
def _plan(task, arch, options, recipe, fraction, train) -> None:
    """What a run of the task would do, without its data."""
    from ssl_bench.tasks.table import find_task
    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.source import open_source

    tests_only = bool(find_task(task).trained_by)
    shape = None if tests_only else open_source('random', '', arch).arch_args
    make_plan(
        task,
        shape,
        overrides=read_options(options),
        recipe=recipe,
        fraction=fraction,
        train=train,
    )


def _run(args: argparse.Namespace) -> None:
    from ssl_bench.launch.suite import read_suite

    read_suite(args.suite)


def _convert(args: argparse.Namespace) -> None:
    from ssl_bench.checkpoints.arch_names import canonical_arch
    from ssl_bench.checkpoints.formats import FORMATS
    from ssl_bench.checkpoints.timm_reader import family_names

    known = {row.name for row in FORMATS} | set(family_names())
    if args.from_format and args.from_format not in known:
        raise Wrong(f'no format {args.from_format}')
    read_fields(args.meta)
    if args.arch:
        canonical_arch(args.arch)


def _tasks(args: argparse.Namespace) -> None:
    from ssl_bench.tasks.custom import named_task

    for name in args.tasks:
        named_task(name)


def _methods(args: argparse.Namespace) -> None:
    from ssl_bench.catalog import find_method, method_of

    names = [name for name in args.names if name not in OTHER_WORDS]
    for name in names:
        (method_of if name.endswith('.py') else find_method)(name)


def _data(args: argparse.Namespace) -> None:
    if args.data_command == 'check' and args.tasks != ['all']:
        _tasks(args)


def _leaderboard(args: argparse.Namespace) -> None:
    from ssl_bench.results.papers import PAPERS

    if args.paper and args.paper not in PAPERS:
        raise Wrong(f'no tables of {args.paper}')
    _tasks(args)
    if args.dirs[:1] == ['annotate']:
        from ssl_bench.header_fields import words_of

        unknown = set(words_of(args.meta)) - set(RECORDED)
        if unknown or not (args.by and args.why):
            raise Wrong(f'annotate: {unknown}, --by, --why')


MEANING = {
    'convert': _convert,
    'data': _data,
    'leaderboard': _leaderboard,
    'methods': _methods,
    'pretrain': _pretrain,
    'run': _run,
    'tasks': _tasks,
    'transfer': _transfer,
}


class _Parsed(BaseException):
    """A program has read its words, and is not to do more."""


def _python(words: list[str], mention: bool) -> None:
    if words[:1] == ['-m']:
        _module(words[1], words[2:], mention)
    elif words[:1] == ['-c']:
        compile(words[1], 'python -c', 'exec')
    elif words:
        _script(words[0], words[1:], mention)


def _module(name: str, words: list[str], mention: bool) -> None:
    """``python -m NAME``."""
    if name == 'ssl_bench':
        _ssl_bench(words, mention)
    elif importlib.util.find_spec(name) is None:
        raise Wrong(f'no module {name}')
    elif name == 'pytest':
        for word in words:
            if '/' in word and not (ROOT / word).exists():
                raise Wrong(f'{word} is not there')
    elif name == 'pip':
        _pip(words, mention)


def _script(path: str, words: list[str], mention: bool) -> None:
    """A program of the repository, as far as it reads its words."""
    folder, _, name = path.rpartition('/')
    name = name.removesuffix('.py')
    if folder.endswith('tools') and name in TOOLS:
        _ssl_bench([TOOLS[name], *words], mention)
        return
    if not (ROOT / path).is_file():
        raise Wrong(f'{path} is not a file')
    if mention and not words:
        return
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [path, *words])
        patch.setattr(argparse.ArgumentParser, 'parse_args', _parse_only)
        try:
            with contextlib.redirect_stderr(said):
                importlib.import_module(_dotted(path)).main()
        except _Parsed:
            return
        except SystemExit as error:
            if error.code == 0:  # --help
                return
            raise Wrong(said.getvalue()) from None
    raise Wrong(f'{path} does not read its words')


def _dotted(path: str) -> str:
    """The name by which a program of the repository is imported."""
    name = path.removesuffix('.py').replace('/', '.')
    return name.removeprefix('benchmarks.')  # whose programs import so


def _parse_only(parser, words=None, namespace=None):
    found, rest = parser.parse_known_args(words, namespace)
    if rest:
        parser.error(f'unrecognized arguments: {rest}')
    raise _Parsed


def _bash(words: list[str], mention: bool) -> None:
    """A script of tools/: bash reads it, and its words are those it takes."""
    script, *rest = words
    subprocess.run(['bash', '-n', script], cwd=ROOT, check=True)
    name = Path(script).name
    if name == 'dist_train.sh':
        config, processes, *more = rest
        int(processes)
        _ssl_bench(['pretrain', config, *more], False)
    elif name == 'dist_transfer.sh':
        int(rest[0])
        _ssl_bench(['transfer', *rest[1:]], False)
    elif name == 'slurm_train.sh':
        _ssl_bench(['pretrain', *rest[2:]], False)
    else:
        raise Unknown(script)


def _make(words: list[str], mention: bool) -> None:
    rules = (ROOT / 'Makefile').read_text(encoding='utf-8')
    targets = re.findall(r'^(\w[\w-]*):', rules, re.M)
    for word in words:
        if '=' not in word and word not in targets:
            raise Wrong(f'make has no target {word}')


def _torchrun(words: list[str], mention: bool) -> None:
    """``torchrun OPTIONS -m ssl_bench ...``, or a script."""
    from torch.distributed.run import get_args_parser

    if not words:
        return
    args = _parsed(get_args_parser(), words)
    before = ['-m'] if args.module else []
    _python(
        [*before, args.training_script, *args.training_script_args], mention
    )


def _pip(words: list[str], mention: bool) -> None:
    """Extras of ours that are asked for are in setup.py."""
    known = _extras()
    for word in words:
        named = re.match(r'(?:ssl-bench|\.|.*\.whl)\[([\w,]+)\]', word)
        for extra in named[1].split(',') if named else ():
            if extra not in known:
                raise Wrong(f'setup.py has no extra {extra}')


def _extras() -> set[str]:
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    found = next(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == 'extras_require'
    )
    return {key.value for key in found.keys}


CHECKS = {
    'bash': _bash,
    'make': _make,
    'pip': _pip,
    'python': _python,
    'python3': _python,
    'ssl-bench': _ssl_bench,
    'torchrun': _torchrun,
}
