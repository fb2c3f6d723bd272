"""Do `ssl-bench data check` and a run say the same of spoilt data?

Each mutation of `mutations.py` is made on a copy of the embedded data. Then
`check_task` is asked, and a run's data sets are built and every sample is
loaded once, without a network. Both must say the same: nothing, something
that is left out, or what stops the run; a traceback is never right.

    python -m tests.faults.data_check --draws 3 --only mini_seg_fcn
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.mutations import COUNTED, HARMLESS, MUTATIONS

FINE, NOTE, STOP, CRASH = 'fine', 'note', 'stop', 'CRASH'
SECONDS, BYTES = 20, 8 << 30  # of one try


class Said(NamedTuple):
    """What one of the two has to say."""

    word: str
    text: str


class Row(NamedTuple):
    """A mutation and what was said of it."""

    task: str
    name: str
    seed: int
    check: Said
    run: Said

    @property
    def agrees(self) -> bool:
        """Whether both say the same, something or rightly nothing."""
        words = {self.check.word, self.run.word}
        if CRASH in words:
            return False
        if self.name in COUNTED:  # a run goes on, and its record says so
            return self.check.word == STOP
        return (
            words == {FINE}
            if self.name in HARMLESS
            else (len(words) == 1 and FINE not in words)
        )


def said(ask: Callable[[], Said]) -> Said:
    """An answer; an exception that the user was not to see is a crash."""
    from ssl_bench.errors import UserError

    try:
        return ask()
    except UserError as error:
        text = str(error)
        return Said(CRASH if '\n' in text else STOP, text)
    except BaseException as error:
        return Said(CRASH, f'{type(error).__name__}: {error}')


def of_check(task: str, root: Path) -> Said:
    """What `ssl-bench data check TASK --decode all` says."""
    from ssl_bench.tasks.check import check_task
    from ssl_bench.tasks.layouts import Problem

    lines = check_task(task, root, decode_all=True)
    stops = [line for line in lines if isinstance(line, Problem)]
    if any('\n' in line for line in lines):
        return Said(CRASH, 'a line with a line break')
    if stops:
        return Said(STOP, stops[0])
    return Said(NOTE, lines[0]) if lines else Said(FINE, '')


def of_run(task: str, root: Path, folder: Path) -> Said:
    """What a run's data sets and one pass over them say."""
    from ssl_bench.tasks.table import require_data
    from ssl_bench.toolbox.load_images import read_with_care, skipped_images
    from ssl_bench.transfer.plan import make_plan

    require_data(task, root)
    folder.mkdir()
    plan = make_plan(task, None, str(root))
    read_with_care(plan.config, folder)
    notes = list(pass_over(plan))
    skipped = skipped_images(folder)
    if skipped:
        notes.append(f'skipped {len(skipped)}')
    return Said(NOTE, notes[0]) if notes else Said(FINE, '')


def pass_over(plan) -> Iterator[str]:
    """Build the sets of a plan as a run does, and load every sample.

    Yields:
        str: What a record would say of the data.
    """
    from mmengine.registry import DATASETS, DefaultScope

    from ssl_bench.tasks.table import find_task
    from ssl_bench.toolbox.check_data import check_classes, check_files
    from ssl_bench.transfer.probes import check_probe, data_sets

    config, toolbox = plan.config, find_task(plan.task).toolbox
    scope = config.get('default_scope') or 'mmpretrain'
    with DefaultScope.overwrite_default_scope(scope):
        if toolbox == 'probe':
            yield from check_probe(config, data_sets(config))
        sets = [
            DATASETS.build(config[name].dataset)
            for name in ('train_dataloader', 'test_dataloader')
            if config.get(name)
        ]
        model = config.get('model')
        if toolbox != 'probe':
            yield from check_classes(model, *sets)
        if toolbox in ('mmdet', 'mmseg'):
            head = getattr(model, 'decode_head', None)
            yield from check_files(getattr(head, 'num_classes', None), *sets)
        for dataset in sets:
            for index in range(len(dataset)):
                dataset[index]


def tried(task: str, name: str, seed: int, base: Path) -> Row:
    """Make one mutation and ask both, in a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix='data-check-'))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            _limit()
            root = folder / 'data'
            shutil.copytree(base, root)
            MUTATIONS[task][name](root, random.Random(f'{name} {seed}'))
            answers = [
                said(lambda: of_check(task, root)),
                said(lambda: of_run(task, root, folder / 'run')),
            ]
            short = [(word, text[:2000]) for word, text in answers]
            os.write(writing, json.dumps(short).encode())
        except BaseException as error:
            print(f'{task}, {name}: {error!r}', file=sys.stderr)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, 'rb') as stream:
        text = stream.read()
    os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    killed = [(CRASH, 'ended without a word')] * 2
    check, run = json.loads(text) if text else killed
    return Row(task, name, seed, Said(*check), Said(*run))


class TooLong(BaseException):
    """More seconds than a try has; not an error that a reader expects."""


def _limit() -> None:
    def stop(*_):
        raise TooLong(f'more than {SECONDS} s')

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    warnings.simplefilter('ignore')
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)


def make_base(root: Path) -> None:
    """Embedded data of a few dozen images, with all that tasks read."""
    from ssl_bench.data.mini import MiniSizes, make_mini
    from ssl_bench.data.mini.variants import make_variants
    from ssl_bench.tasks.subsets import write_subset

    sizes = MiniSizes(
        imagenet_train=40,
        imagenet_val=16,
        imagenet_px=64,
        voc07_trainval=8,
        voc07_test=6,
        voc12_trainval=4,
        seg_train=10,
        seg_val=4,
        coco_train=8,
        coco_val=4,
        nyu_train=4,
        nyu_test=2,
        spair_trn=2,
        spair_val=2,
        spair_test=2,
        px=96,
    )
    make_mini(root, sizes=sizes)
    make_variants(root)
    meta = root / 'imagenet/meta/semi10.txt'
    write_subset(root / 'imagenet/train', 50, meta)
    for name in ('imagenet-c', 'imagenet-r', 'imagenet-sketch'):
        shutil.rmtree(root / name)  # no mutation is of these


def rows(
    base: Path, tasks: list[str], draws: int, part: str = ''
) -> Iterator[Row]:
    """Every mutation of some tasks, several times."""
    for task in tasks:
        for name in MUTATIONS[task]:
            if part in name:
                for seed in range(draws):
                    yield tried(task, name, seed, base)


def prepare() -> None:
    """Import and register everything before the processes are made."""
    import torch

    from ssl_bench import register_all_modules

    torch.set_num_threads(1)
    register_all_modules()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--draws', type=int, default=1)
    parser.add_argument('--only', nargs='+', default=list(MUTATIONS))
    parser.add_argument('--part', default='', help="of a mutation's name")
    parser.add_argument('--all', action='store_true', help='print all rows')
    args = parser.parse_args()
    prepare()
    counts: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory() as home:
        base = Path(home) / 'base'
        make_base(base)
        for row in rows(base, args.only, args.draws, args.part):
            count = counts.setdefault(row.task, Counter())
            count['agree' if row.agrees else 'differ'] += 1
            count['crash'] += CRASH in (row.check.word, row.run.word)
            if args.all or not row.agrees:
                print(f'{row.task} | {row.name} | {row.seed}')
                for who, (word, text) in (
                    ('check', row.check),
                    ('run', row.run),
                ):
                    print(f'    {who:5} {word}: {text[:200]}', flush=True)
    print('| task | tried | agree | differ | tracebacks |')
    print('| --- | --- | --- | --- | --- |')
    for task, count in counts.items():
        total = count['agree'] + count['differ']
        print(
            f'| {task} | {total} | {count["agree"]} | {count["differ"]} | '
            f'{count["crash"]} |'
        )
    return int(any(count['differ'] for count in counts.values()))


if __name__ == '__main__':
    sys.exit(main())
