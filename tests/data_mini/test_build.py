"""Whole or absent: determinism, repetition, refusal, interruption."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from ssl_bench import run_folder
from ssl_bench.cli import main
from ssl_bench.data.mini import (
    MiniSizes,
    coco,
    fingerprint,
    make_mini,
    photos,
    sets,
)
from ssl_bench.errors import UserError

from .conftest import SMALL

pytestmark = pytest.mark.slow

TINY = MiniSizes(
    imagenet_train=8,
    imagenet_val=8,
    imagenet_px=48,
    voc07_trainval=2,
    voc07_test=2,
    voc12_trainval=2,
    seg_train=2,
    seg_val=2,
    coco_train=2,
    coco_val=2,
    nyu_train=2,
    nyu_test=2,
    spair_trn=2,
    spair_val=2,
    spair_test=2,
    px=64,
)


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_same_seed_same_bytes_other_seed_other_pictures(mini, tmp_path):
    again = make_mini(tmp_path / 'again', 3, SMALL)
    assert again.created and contents(again.root) == contents(mini.root)
    assert fingerprint(again.root) == mini.manifest['fingerprint']
    other = make_mini(tmp_path / 'other', 4, SMALL)
    one, two = contents(mini.root), contents(other.root)
    same = [
        name
        for name in one
        if name.endswith('.jpg') and one[name] == two.get(name)
    ]
    assert not same
    assert len({one[n] for n in one if n.endswith('.jpg')}) == sum(
        n.endswith('.jpg') for n in one
    )  # no picture twice


def test_a_set_does_not_depend_on_the_others_sizes(mini, tmp_path):
    more = make_mini(
        tmp_path / 'more',
        3,
        replace(SMALL, imagenet_train=24, voc07_trainval=26),
    )
    name = 'coco/annotations/instances_train2017.json'
    assert (more.root / name).read_bytes() == (mini.root / name).read_bytes()
    for path in (mini.root / 'imagenet/train').rglob('*.jpg'):
        twin = more.root / path.relative_to(mini.root)
        assert twin.read_bytes() == path.read_bytes()


def test_manifest_says_what_made_it(mini):
    manifest = json.loads((mini.root / 'mini.json').read_text())
    assert manifest == mini.manifest
    assert manifest['seed'] == 3
    assert manifest['sizes']['coco_train'] == 40
    assert manifest['libraries']['pillow'] == __import__('PIL').__version__
    assert manifest['files'] == len(contents(mini.root)) - 1


def test_fingerprint_sees_a_byte_and_a_name(tmp_path):
    root = make_mini(tmp_path / 'mini', 0, TINY).root
    before = fingerprint(root)
    image = next((root / 'coco/val2017').iterdir())
    image.rename(image.with_name('x.jpg'))
    renamed = fingerprint(root)
    image.with_name('x.jpg').write_bytes(b'x')
    assert len({before, renamed, fingerprint(root)}) == 3


def test_second_call_does_nothing_quickly(mini):
    before = {path: path.stat().st_mtime_ns for path in mini.root.rglob('*')}
    started = time.process_time()
    again = make_mini(mini.root, 3, SMALL)
    assert time.process_time() - started < 0.5
    assert not again.created and again.manifest == mini.manifest
    assert before == {
        path: path.stat().st_mtime_ns for path in mini.root.rglob('*')
    }


@pytest.mark.parametrize(
    'seed, sizes, message',
    (
        (4, SMALL, r'made with seed 3 \(asked: 4\)'),
        (3, replace(SMALL, coco_val=5), 'coco_val 4 .asked: 5.'),
    ),
)
def test_other_settings_are_refused(mini, seed, sizes, message):
    before = contents(mini.root)
    with pytest.raises(UserError, match=message):
        make_mini(mini.root, seed, sizes)
    assert contents(mini.root) == before


def test_foreign_folders_and_files_are_refused(tmp_path):
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/holiday.jpg').write_bytes(b'mine')
    with pytest.raises(UserError, match='holds something'):
        make_mini(tmp_path / 'full', 0, TINY)
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken/mini.json').write_text('{"seed": 0')
    with pytest.raises(UserError, match='holds something'):
        make_mini(tmp_path / 'broken', 0, TINY)
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(UserError, match='is a file'):
        make_mini(tmp_path / 'file', 0, TINY)
    with pytest.raises(UserError, match='cannot write'):
        make_mini(tmp_path / 'file/below', 0, TINY)
    assert contents(tmp_path) == {
        'full/holiday.jpg': b'mine',
        'broken/mini.json': b'{"seed": 0',
        'file': b'mine',
    }


def test_an_empty_folder_and_a_link_to_one_are_used(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to('real')
    assert make_mini(tmp_path / 'link', 0, TINY).created
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'real/mini.json').is_file()


def test_lost_files_are_noticed(tmp_path):
    root = make_mini(tmp_path / 'mini', 0, TINY).root
    shutil.rmtree(root / 'coco/val2017')
    with pytest.raises(UserError, match='has lost files'):
        make_mini(root, 0, TINY)


@pytest.mark.parametrize('after', (0, 5, 17))
def test_interruption_leaves_nothing(tmp_path, after):
    def stop(done, total):
        if done > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_mini(tmp_path / 'mini', 0, TINY, stop)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_build_left_is_removed(tmp_path):
    left = tmp_path / '.mini.part/new'
    (left / 'imagenet').mkdir(parents=True)
    (left / 'imagenet/old.jpg').touch()
    made = make_mini(tmp_path / 'mini', sizes=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ['mini']
    assert not (made.root / 'imagenet/old.jpg').exists()


@pytest.mark.parametrize('empty_folder', (False, True))
def test_full_disk_leaves_nothing(tmp_path, monkeypatch, empty_folder):
    if empty_folder:
        (tmp_path / 'mini').mkdir()

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(coco, 'write_instances', full)
    with pytest.raises(UserError, match='No space left.*Nothing was written'):
        make_mini(tmp_path / 'mini', 0, TINY)
    assert [path.name for path in tmp_path.iterdir()] == [
        'mini'
    ] * empty_folder


def test_of_two_builders_the_second_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, 'POLL', 0.05)
    second = threading.Thread(
        target=lambda: made.append(make_mini(tmp_path / 'mini', 0, TINY))
    )
    made = []

    def start_second(done, total):
        if done == 1:
            second.start()

    first = make_mini(tmp_path / 'mini', 0, TINY, start_second)
    second.join()
    assert (first.created, made[0].created) == (True, False)
    assert [path.name for path in tmp_path.iterdir()] == ['mini']


@pytest.fixture
def processes(monkeypatch):
    """Two worker processes, however small the set and the machine."""
    monkeypatch.setattr(sets, 'WORTH_A_PROCESS', 1)
    monkeypatch.setattr(sets, '_cores', lambda: 2)


def test_processes_write_the_same_bytes(mini, tmp_path, processes):
    assert make_mini(tmp_path / 'mini', 3, SMALL).manifest == mini.manifest


def test_interrupted_processes_leave_nothing(tmp_path, processes):
    test_interruption_leaves_nothing(tmp_path, 5)


def test_a_full_disk_in_a_process_leaves_nothing(
    tmp_path, monkeypatch, processes
):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(coco, 'save_jpeg', full)
    with pytest.raises(UserError, match='No space left'):
        make_mini(tmp_path / 'mini', 0, TINY)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path):
    seen = []
    root = make_mini(
        tmp_path / 'mini', 0, TINY, lambda *pair: seen.append(pair)
    ).root
    total = sum(1 for path in root.rglob('*.jpg'))
    assert seen == [(index + 1, total) for index in range(total)]


@pytest.mark.parametrize(
    'entry, value',
    (
        ('px', 20),
        ('coco_val', 0),
        ('imagenet_train', 7),
        ('seg_val', 2.5),
        ('seg_val', True),
    ),
)
def test_bad_sizes_are_named(entry, value):
    with pytest.raises(UserError, match=f'{entry} .*got {value!r}'):
        MiniSizes(**{entry: value})


@pytest.mark.parametrize('seed', (-1, 2**32, 1.5))
def test_bad_seeds_are_refused(tmp_path, seed):
    with pytest.raises(UserError, match='the seed'):
        make_mini(tmp_path / 'mini', seed, TINY)


def test_a_missing_photograph_is_named(tmp_path, monkeypatch):
    photos.load_photos.cache_clear()
    monkeypatch.setattr(photos, 'PHOTOS', ('unicorn.png',))
    with pytest.raises(UserError, match='unicorn.png is not in'):
        make_mini(tmp_path / 'mini', 0, TINY)
    photos.load_photos.cache_clear()
    assert list(tmp_path.iterdir()) == []


def test_command_line(tmp_path, capsys):
    words = ['data', 'mini', '--root', str(tmp_path / 'mini'), '--seed', '5']
    for name in vars(TINY):
        words += [f'--{name.replace("_", "-")}', str(getattr(TINY, name))]
    assert main(words) == 0
    assert 'made in' in capsys.readouterr().out
    assert json.loads((tmp_path / 'mini/mini.json').read_text())['seed'] == 5
    assert main(words) == 0
    assert 'already there' in capsys.readouterr().out
    assert main(words[:4]) == 2
    error = capsys.readouterr().err
    assert 'Nothing was changed' in error and error.count('\n') == 1


def test_names_and_command_import_no_torch():
    code = (
        'import sys, ssl_bench.data.mini.names, ssl_bench.cli.data; '
        'sys.exit("torch" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
