"""All that needs a GPU, in one short run: tests, speed, data, transfers.

python benchmarks/gpu.py --out work_dirs/gpu [--only tests step]

tests     `pytest -m gpu`: golden vectors on the device, steps that never wait,
          mixed precision, resumed runs, served operators
tasks     a mini pretraining with a resume; its transfers to mmdet, mmseg,
          mmpretrain and a probe, each to its record
step      benchmarks/step.py at the papers' sizes
pipeline  benchmarks/pipeline.py, with colours painted on the device
data      benchmarks/data_wait.py: runs with 12 workers, images in memory

Tests and tasks run at the same time, because nothing in them is timed; the
others run alone. Each part has a time limit of its own, and a part that fails
does not stop the others. The folder gets gpu.json, gpu.md, a log of each part,
step.json, pipeline.json and data.json. Without a GPU it says so and returns 2;
`--device cpu --tiny` goes through all parts on a CPU.
"""

import argparse
import json
import os
import re
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
from gpu_tables import as_markdown

ROOT = Path(__file__).parents[1]
SECONDS = dict(tests=140, tasks=140, step=225, pipeline=30, data=80)
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
        where, workers = gpu_tests(), ['-n', str(part.args.test_workers)]
        if part.args.tiny:
            where, workers = ['tests/compat/test_gpu.py'], []
        words = ['-m', 'pytest', '-q', '-m', 'gpu', '-W', 'ignore']
        words += ['-p', 'no:cacheprovider', f'--junitxml={report}']
        part.run([*words, *workers, *where])
        if not report.is_file():
            return {}
        return counted(ET.parse(report).getroot())


def gpu_tests() -> list[str]:
    """The files that can have tests marked gpu; the others take time."""
    return [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / 'tests').rglob('test_*.py'))
        if re.search(r'(?i)\bgpu\b|\bdevices?\b', path.read_text())
    ]


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


def run_script(part: Part, words: list[str]) -> dict:
    """What a script of this folder writes: it has the part's name."""
    out = part.args.out / f'{part.name}.json'
    out.unlink(missing_ok=True)
    name = dict(data='data_wait').get(part.name, part.name)
    words = [*words, '--device', part.args.device, '--out', str(out)]
    part.run([f'benchmarks/{name}.py', *words])
    return json.loads(out.read_text()) if out.is_file() else {}


def run_step(part: Part) -> dict:
    """The rows of benchmarks/step.py."""
    words = ['--profile', '--seconds', str(part.args.seconds['step'] - 8)]
    if part.args.methods:
        words += ['--methods', *part.args.methods]
    if part.args.forms:
        words += ['--forms', *part.args.forms]
    if part.args.tiny:
        words += ['--batch', '4', '--runs', '1', '--methods', 'mocov2']
        # all but compile, which takes a CPU minutes
        words += ['--forms', 'float32', 'tf32', 'bfloat16']
        words += ['channels_last', 'fused']
    else:
        words.append('--paper')
    return run_script(part, words)


def run_pipeline(part: Part) -> dict:
    """The rows of benchmarks/pipeline.py, painting on the device."""
    words = ['--photometric', 'device', '--rows', 'mocov2']
    if part.args.tiny:
        return run_script(part, [*words, '--tiny'])
    words += ['pixpro', '--images', '32', '--rounds', '3', '--batch', '256']
    return run_script(part, words)


def run_data(part: Part) -> dict:
    """The rows of benchmarks/data_wait.py."""
    if part.args.tiny:
        words = '--batch 4 --workers 0 --images 16 --files 4'.split()
        return run_script(
            part, [*words, '--seconds', '0.3', '--methods', 'mocov2']
        )
    return run_script(part, ['--paper', '--seconds', '24'])


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
        for task, options in TASKS.items():
            words = ['-m', 'ssl_bench', 'transfer', weights, '--tasks', task]
            words += ['--work-dir', str(folder / 'runs'), '--verbose']
            words += ['--data-root', str(data)]
            if options:
                words.append('--cfg-options')
            for option in options:
                tiny = option.replace('=10', '=2')
                words.append(tiny if part.args.tiny else option)
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
    tests=run_tests,
    tasks=run_tasks,
    step=run_step,
    pipeline=run_pipeline,
    data=run_data,
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


def main(words: list[str] | None = None) -> int:
    """Run the parts; 0 if none failed, 2 without a GPU."""
    args = parse_args(words)
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('gpu.py: there is no GPU here; nothing was run.')
        return 2
    from step_rows import machine  # imports the toolkits

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / 'gpu.json'
    report: dict = dict(machine=machine(args.device), parts={})
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
