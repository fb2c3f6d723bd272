"""All that needs a GPU, in one short run: tests, speed, data, transfers.

python benchmarks/gpu.py --out work_dirs/gpu [--only tests step]

tests   `pytest -m gpu`: golden vectors on the device, steps that never wait,
        mixed precision, resumed runs, served operators
tasks   a mini pretraining with a resume; its transfers to mmdet, mmseg,
        mmpretrain and a probe, each to its record
step    benchmarks/step.py at the papers' sizes
data    benchmarks/data_wait.py with 12 workers

Tests and tasks run at the same time, because nothing in them is timed; step
and data run alone. Each part has a time limit of its own, and a part that
fails does not stop the others. The folder gets gpu.json, gpu.md, a log of each
part, step.json and data.json. Without a GPU it says so and returns 2;
`--device cpu --tiny` goes through all parts on a CPU.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
SECONDS = dict(tests=150, tasks=170, step=240, data=70)
TOGETHER = ('tests', 'tasks')
LINES = 15  # of a log, in the report of a failure
MINI_SIZES = {
    'imagenet-train': 160,
    'imagenet-val': 40,
    'voc07-trainval': 24,
    'voc07-test': 8,
    'voc12-trainval': 8,
    'seg-train': 16,
    'seg-val': 8,
    'coco-train': 8,
    'coco-val': 4,
}
TASKS: dict[str, list[str]] = {
    'mini_voc_det_c4': [
        'train_cfg.max_iters=10',
        'train_cfg.val_interval=10',
        'default_hooks.checkpoint.interval=10',
        'custom_hooks.TrainingPreciseBNHook.num_iters=2',
    ],
    'mini_seg_fcn': [
        'train_cfg.max_iters=10',
        'train_cfg.val_interval=10',
        'default_hooks.checkpoint.interval=10',
    ],
    'mini_linear': [
        'train_cfg.max_epochs=1',
        'default_hooks.checkpoint.interval=1',
    ],
    'mini_knn': [],
}


class Part:
    """One part: its log, its time, and the commands that it runs."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        self.name, self.args = name, args
        self.log = args.out / f'{name}.log'
        self.end = time.monotonic() + args.seconds[name]
        self.failed: list[dict] = []
        self.log.write_text('')

    def run(self, words: list[str], title: str = '', **env: str) -> bool:
        """Run Python with these words; whether it returned 0 in time."""
        left = self.end - time.monotonic()
        start = self.log.stat().st_size
        with self.log.open('a') as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment(**env),
            )
            try:
                code: int | str = process.wait(max(left, 1))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = 'out of time'
        if code == 0:
            return True
        with self.log.open() as file:
            file.seek(start)
            lines = file.read().rstrip().splitlines()[-LINES:]
        title = title or self.name
        self.failed.append(dict(what=title, code=code, lines=lines))
        print(f'{title}: {code}', *lines, sep='\n    ', flush=True)
        return False


def environment(**more: str) -> dict[str, str]:
    """This process's, with the checkout first on Python's path."""
    path = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get('PYTHONPATH')])
    )
    return os.environ | dict(PYTHONPATH=path, PYTHONUNBUFFERED='1') | more


def run_tests(part: Part) -> dict:
    """Counts of the tests marked gpu, and the last lines of each failure."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / 'tests.xml'
        where = ['tests/methods', 'tests/compat']
        workers = ['-n', str(part.args.test_workers)]
        if part.args.tiny:
            where, workers = ['tests/compat/test_gpu.py'], []
        words = ['-m', 'pytest', '-q', '-m', 'gpu', '-W', 'ignore']
        words += ['-p', 'no:cacheprovider', f'--junitxml={report}']
        part.run([*words, *workers, *where])
        if not report.is_file():
            return {}
        return counted(ET.parse(report).getroot())


def counted(root: ET.Element) -> dict:
    """Numbers of a JUnit report, and what failed."""
    found: dict = dict(passed=0, failed=0, skipped=0, failures={})
    for case in root.iter('testcase'):
        kinds = {child.tag: child for child in case}
        bad = kinds.get('failure', kinds.get('error'))
        if bad is not None:
            found['failed'] += 1
            name = f'{case.get("classname")}::{case.get("name")}'
            lines = (bad.text or '').rstrip().splitlines()
            found['failures'][name] = lines[-LINES:]
            print('FAILED', name, *lines[-4:], sep='\n    ', flush=True)
        elif 'skipped' in kinds:
            found['skipped'] += 1
        else:
            found['passed'] += 1
    return found


def run_step(part: Part) -> dict:
    """The rows of benchmarks/step.py."""
    out = part.args.out / 'step.json'
    words = ['benchmarks/step.py', '--device', part.args.device]
    words += ['--out', str(out), '--profile']
    words += ['--seconds', str(part.args.seconds['step'] - 8)]
    if part.args.methods:
        words += ['--methods', *part.args.methods]
    if part.args.forms:
        words += ['--forms', *part.args.forms]
    if part.args.tiny:
        words += ['--batch', '4', '--runs', '1', '--methods', 'mocov2']
        words += ['--forms', 'float32', 'bfloat16']
    else:
        words.append('--paper')
    part.run(words)
    return json.loads(out.read_text()) if out.is_file() else {}


def run_data(part: Part) -> dict:
    """The rows of benchmarks/data_wait.py."""
    out = part.args.out / 'data.json'
    words = ['benchmarks/data_wait.py', '--device', part.args.device]
    words += ['--out', str(out)]
    if part.args.tiny:
        words += '--batch 4 --workers 0 --images 16 --files 4'.split()
        words += ['--seconds', '1', '--methods', 'mocov2']
    else:
        words += ['--paper', '--seconds', '24']
    part.run(words)
    return json.loads(out.read_text()) if out.is_file() else {}


def run_tasks(part: Part) -> dict:
    """Which of pretraining, resume and transfers came to their end."""
    done: dict[str, bool] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, work = folder / 'data/mini', folder / 'pretrain'
        sizes = [f'--{key}={value}' for key, value in MINI_SIZES.items()]
        made = ['-m', 'ssl_bench', 'data', 'mini', '--root', str(data)]
        if not part.run([*made, *sizes], 'data mini'):
            return dict(mini_data=False)
        train = ['-m', 'ssl_bench', 'pretrain', 'configs/mini/mocov2_r18.py']
        train += ['--work-dir', str(work), '--amp', '--cfg-options']
        train += ['train_dataloader.batch_size=32']
        train += ['default_hooks.checkpoint.interval=1']
        train += [f'train_dataloader.dataset.data_root={data}/imagenet/train']
        done['pretrain'] = part.run(
            [*train, 'train_cfg.max_epochs=2'], 'pretrain'
        )
        done['resume'] = part.run(
            [*train, 'train_cfg.max_epochs=3', '--resume'], 'resume'
        )
        checkpoint = work / 'epoch_3.pth'
        weights = str(checkpoint) if checkpoint.is_file() else 'random'
        tasks = ['mini_knn'] if part.args.tiny else list(TASKS)
        for task in tasks:
            words = ['-m', 'ssl_bench', 'transfer', weights, '--tasks', task]
            words += ['--work-dir', str(folder / 'runs'), '--verbose']
            words += ['--data-root', str(data)]
            if TASKS[task]:
                words += ['--cfg-options', *TASKS[task]]
            ran = part.run(words, task)
            done[task] = recorded(folder / 'runs', task)
            if ran and not done[task]:
                part.failed.append(dict(what=task, code='no record', lines=[]))
    return done


def recorded(runs: Path, task: str) -> bool:
    """Whether a run of the task has left a record with numbers."""
    records = [
        json.loads(path.read_text()) for path in runs.rglob('result.json')
    ]
    return any(row['task'] == task and row['metrics'] for row in records)


RUN: dict[str, Callable[[Part], dict]] = dict(
    tests=run_tests, tasks=run_tasks, step=run_step, data=run_data
)


def run_part(name: str, args: argparse.Namespace) -> dict:
    """One part's outcome, whatever happens in it."""
    started, part = time.monotonic(), Part(name, args)
    try:
        result = RUN[name](part)
    except Exception as error:  # the other parts still count
        result = {}
        part.failed.append(dict(what=name, code=repr(error), lines=[]))
    seconds = time.monotonic() - started
    print(f'{name}: {seconds:.0f} s, {len(part.failed)} failed', flush=True)
    return dict(seconds=seconds, failed=part.failed, result=result)


def number(value: float | None, digits: int = 0) -> str:
    """A number of a table; empty for none."""
    return '' if value is None else f'{value:.{digits}f}'


def as_markdown(report: dict) -> str:
    """The tables for docs/performance.md."""
    lines = [f'`{json.dumps(report["machine"])}`', '']
    for name, part in report['parts'].items():
        state = 'failed' if part['failed'] else 'done'
        lines.append(f'* {name}: {state} in {part["seconds"]:.0f} s')
    parts = {name: part['result'] for name, part in report['parts'].items()}
    if tests := parts.get('tests'):
        lines += ['', '| tests passed | failed | skipped |', '|---|---|---|']
        lines.append(
            f'| {tests["passed"]} | {tests["failed"]} | {tests["skipped"]} |'
        )
    if tasks := parts.get('tasks'):
        lines += ['', '| run | to its end |', '|---|---|']
        lines += [
            f'| {name} | {"yes" if ok else "no"} |'
            for name, ok in tasks.items()
        ]
    if rows := (parts.get('step') or {}).get('rows'):
        lines += [
            '',
            '| method | form | batch | images/s | limit | share | MiB '
            '| note |',
            '|---|---|---|---|---|---|---|---|',
        ]
        lines += [
            f'| {row["method"]} | {row["form"]} | {row["batch"]} '
            f'| {number(row["images_per_s"])} | {number(row["limit_per_s"])} '
            f'| {number(row["share"], 2)} | {number(row["peak_mib"])} '
            f'| {row["note"][:80]} |'
            for row in rows
        ]
    if rows := (parts.get('data') or {}).get('rows'):
        lines += [
            '',
            '| method | batch | workers | loader images/s | training '
            'images/s | waiting |',
            '|---|---|---|---|---|---|',
        ]
        lines += [
            f'| {row["method"]} | {row["batch"]} | {row["workers"]} '
            f'| {number(row["loader_per_s"])} | {number(row["loop_per_s"])} '
            f'| {row["waiting"]:.0%} |'
            for row in rows
        ]
    return '\n'.join(lines) + '\n'


def seconds_of(text: str) -> tuple[str, int]:
    """``PART=SECONDS``."""
    name, _, value = text.partition('=')
    if name not in SECONDS or not value.isdigit():
        raise argparse.ArgumentTypeError(
            f'{text}: write PART=SECONDS with one of {", ".join(SECONDS)}'
        )
    return name, int(value)


def parse_args(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/gpu'))
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cuda')
    parser.add_argument('--tiny', action='store_true', help='smallest sizes')
    parser.add_argument('--only', nargs='+', choices=SECONDS, default=SECONDS)
    parser.add_argument(
        '--seconds-of',
        nargs='+',
        type=seconds_of,
        default=[],
        metavar='PART=SECONDS',
        help=f'time limits; default: {SECONDS}',
    )
    parser.add_argument('--test-workers', type=int, default=6)
    parser.add_argument('--methods', nargs='+', help='of step.py')
    parser.add_argument('--forms', nargs='+', help='of step.py')
    args = parser.parse_args(words)
    args.seconds = SECONDS | dict(args.seconds_of)
    args.out = args.out.resolve()
    return args


def card(device: str) -> dict:
    """What ran this, in short."""
    facts = dict(device=device, torch=torch.__version__)
    if device == 'cuda':
        facts |= dict(card=torch.cuda.get_device_name())
    return facts


def main(words: list[str] | None = None) -> int:
    """Run the parts; 0 if none failed, 2 without a GPU."""
    args = parse_args(words)
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('gpu.py: there is no GPU here; nothing was run.')
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'gpu.json'
    report: dict = dict(machine=card(args.device), parts={})
    if path.is_file():  # of parts that are not repeated
        report['parts'] = json.loads(path.read_text())['parts']
    groups = [[name for name in TOGETHER if name in args.only]]
    groups += [[name] for name in args.only if name not in TOGETHER]
    for group in filter(None, groups):
        with ThreadPoolExecutor(len(group)) as pool:
            found = pool.map(lambda name: run_part(name, args), group)
            report['parts'].update(zip(group, found))
        path.write_text(json.dumps(report, indent=1))
        text = as_markdown(report)
        (args.out / 'gpu.md').write_text(text)
    print(text)
    failed = [part for part in report['parts'].values() if part['failed']]
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
