"""A wrong input is answered in a line with the cure, by every command.

Each case runs as a user would start it: what a toolkit prints while it is
imported, or a run before it has started, would be in the output.
"""

import os
import re
import subprocess
import sys

import pytest

from ssl_bench.config import config_dir
from ssl_bench.engine.run_output import HeldBack

NOISE = re.compile(
    r'Traceback|Warning|mmengine|mmcv|OneDL|pkg_resources|^ {4}', re.MULTILINE
)
SECONDS = 30.0  # of CPU time of a case, on a slow machine

#: Words of a command, and what its line has: the place and the cure.
FAST = {
    'tasks nosuch': 'ssl-bench tasks` lists',
    'methods nosuch': 'ssl-bench methods` lists',
    'pretrain nosuch.py': 'ssl-bench methods` lists',
    'pretrain mini/mocov2_r1': 'Did you mean configs/mini/mocov2_r18.py',
    'pretrain mini/mocov2_r18 --work-dir file': 'file is a file',
    'pretrain mini/mocov2_r18 --cfg-options '
    'train_dataloader.dataset.data_root=/no': 'no folder /no .*your images',
    'pretrain mini/mocov2_r18 --data no': 'no folder no .*your images',
    'pretrain mini/mocov2_r18 --data file': 'is a file.*folder that has your',
    'pretrain mini/mocov2_r18 --data a --cfg-options '
    'train_dataloader.dataset.data_root=b': 'leave one of them out',
    'transfer x.pth --tasks mini_knn': 'data/mini/.*data mini --root data/mini',
    'transfer x.pth --tasks mini_kn': 'Did you mean mini_knn',
    'transfer random --tasks mini_knn --data-root no': 'no/imagenet/train',
    'run nosuch': 'no suite at nosuch.*insloc',
    'run no/such.yaml': 'no suite at no/such.yaml',
    'leaderboard nosuch': 'no such folder.*name their work dir',
    'leaderboard empty': 'no result.json.*name their work dir',
    'data check mini_kn': 'Did you mean mini_knn',
    'data check all --data-root no': 'root no is not there',
    'data check-images no': 'no folder no .*data mini',
    'data check-images empty': 'no image .*Name the folder',
    'data pack no out.zip': 'no folder no ',
    'data pack empty out.rar': 'does not end in one of',
    'data subset no --percent 1 -o list.txt': '<class>/<image>',
    'data variants no': 'data mini --root no',
    'data mini --root file': 'file is a file',
    'demo --data-root file': 'file is a file',
    'demo --work-dir file': 'file is a file',
}
#: Those that are found after the toolkits' imports.
SLOW = {
    'demo --work-dir /proc/none': 'cannot write /proc/none',
    'pretrain mini/mocov2_r18': 'data/mini/imagenet/train.*data mini --root',
    'convert x.pth out.pth': 'no such checkpoint: x.pth.*Name a file',
    'convert file out.pth': 'file is not a checkpoint',
    'pretrain mini/mocov2_r18 --cfg-options model.queue_len=7 '
    'train_dataloader.dataset.data_root=images': 'queue of 7 keys.*Change',
    'pretrain mini/mocov2_r18 --cfg-options +model.backbone.no=7 '
    'train_dataloader.dataset.data_root=images': "argument 'no'",
    'pretrain mini/mocov2_r18 --data empty': 'no image .*Name the folder',
    'pretrain mini/mocov2_r18 --data images': 'one image alone, one.jpg',
    'pretrain mini/mocov2_r18 --work-dir empty': 'data/mini.*data mini --root',
    'transfer x.pth --tasks mini_knn --dry-run': 'no checkpoint x.pth.*Name',
    'transfer random --arch no --tasks mini_knn --dry-run': 'Known: .* more',
    'run mini': 'data mini --root data/mini',
}


@pytest.fixture
def user(tmp_path):
    """A folder as a newcomer's; runs words there, gives lines."""
    (tmp_path / 'file').write_text('a text')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images/one.jpg').write_bytes(b'no image')

    def run(words):
        before = os.times()
        done = subprocess.run(
            [sys.executable, '-m', 'ssl_bench', *words.split()],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': str(config_dir().parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,
        )
        after = os.times()
        seconds = (
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
        return done.returncode, done.stdout, seconds

    return run


def check(user, words, cure, seconds, lines=1):
    code, out, took = user(words)
    assert code == 2, out
    assert not NOISE.search(out), out
    said = out.splitlines()
    assert len(said) <= lines, out
    assert re.search(cure, out), out
    command = words.split()[0]
    assert said[0].startswith(f'ssl-bench {command}: ')
    assert max(map(len, said)) < 420
    assert took < seconds


@pytest.mark.parametrize('words', FAST)
def test_a_wrong_input_is_one_line_with_the_cure(user, words):
    check(user, words, FAST[words], 5.0)


@pytest.mark.slow
@pytest.mark.parametrize('words', SLOW)
def test_a_mistake_found_late_has_no_log_before_it(user, words):
    lines = 4 if words.startswith('run') else 1
    check(user, words, SLOW[words], SECONDS, lines)


def test_data_of_a_task_that_are_missing_are_one_line(user):
    code, out, _ = user('data check mini_knn')
    assert code == 1
    (line,) = out.splitlines()
    assert line.endswith('prepare: ssl-bench data mini --root data/mini')


def test_lines_of_a_run_wait_for_its_start():
    import logging

    shown = []

    class Terminal(logging.Handler):
        def emit(self, record):
            shown.append(record.getMessage())

    logger = logging.Logger('run')
    logger.addHandler(terminal := Terminal(logging.INFO))
    held = HeldBack(terminal)
    logger.info('settings')
    logger.debug('detail')
    logger.warning('the batch is another')
    assert shown == ['the batch is another']
    held.release()
    logger.info('step 1')
    held.release()
    assert shown == ['the batch is another', 'settings', 'step 1']
