"""Folders behind links: found, once, and never without an end."""

import os
import subprocess

import pytest

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.curves import find_curves
from ssl_bench.results.folders import APART, Folders
from ssl_bench.results.store import scan
from tests.results.factory import make_record


@pytest.fixture
def disk(tmp_path):
    """Runs on another disk: two records and a log."""
    for seed in range(2):
        write_record(tmp_path / 'disk' / f's{seed}', make_record(seed=seed))
    log = tmp_path / 'disk' / 's0' / 'vis_data' / 'scalars.json'
    log.parent.mkdir()
    log.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n')
    (tmp_path / 'runs').mkdir()
    return tmp_path / 'disk'


def seeds(*tops):
    stored, problems = scan(tops)
    return [s.record['seed'] for s in stored], [p.kind for p in problems]


def test_a_link_to_runs_is_followed(disk):
    runs = disk.parent / 'runs'
    (runs / 'link').symlink_to(disk)
    assert seeds(runs) == ([0, 1], [])
    stored, _ = scan([runs])
    assert stored[0].path == f'{runs}/link/s0/result.json'
    [curve], problems = find_curves([runs], build(stored).measured)
    assert len(curve.steps) == 2 and problems == []
    assert (curve.group, curve.seed) == ('mini_knn', 0)


def test_the_same_runs_by_two_ways_count_once(disk):
    runs = disk.parent / 'runs'
    (runs / 'a').symlink_to(disk)
    (runs / 'b').symlink_to(disk / 's1')
    (runs / 'c').symlink_to('a')
    assert seeds(runs) == ([0, 1], [])
    assert seeds(runs, disk, runs / 'a', disk / 's0') == ([0, 1], [])
    (runs / 'd').mkdir()
    (runs / 'd' / 'result.json').symlink_to(disk / 's1' / 'result.json')
    os.link(disk / 's0' / 'result.json', runs / 'd' / 'other')
    assert seeds(runs) == ([0, 1], [])
    assert len(find_curves([runs, disk], [])[0]) == 1


def test_circles_end(disk):
    (disk / 'self').symlink_to('.')
    (disk / 's0' / 'up').symlink_to('..')
    (disk / 's1' / 'across').symlink_to(disk / 's0')
    (disk / 'loop').symlink_to('loop')
    assert seeds(disk) == ([0, 1], [])


def test_a_link_around_the_folder_is_named(disk):
    (disk / 's0' / 'root').symlink_to('/')
    (disk / 's1' / 'above').symlink_to(disk.parent)
    assert seeds(disk) == ([0, 1], ['link', 'link'])
    assert seeds(disk.parent) == ([0, 1], ['link'])


def test_very_deep_folders_are_walked(tmp_path):
    """Deeper than Python calls itself."""
    depth = 1500
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir('d', dir_fd=here)
        below = os.open('d', os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    try:
        assert len(list(Folders([]).below(str(tmp_path)))) == depth + 1
    finally:  # pytest's own way to remove them calls itself too deeply
        subprocess.run(['rm', '-r', tmp_path / 'd'], check=True)


def test_runs_that_are_kept_apart_are_passed_over(disk):
    (disk / APART).write_text('why\n')
    write_record(disk.parent / 'runs' / 's2', make_record(seed=2))
    assert seeds(disk.parent) == ([2], [])
    assert seeds(disk) == ([0, 1], [])  # named by the user
    assert seeds(disk / 's0') == ([0], [])


def test_only_runs_that_are_kept_apart(disk):
    (disk / APART).write_text('why\n')
    stored, [problem] = scan([disk.parent])
    assert stored == []
    assert f'{disk} is read only when it is named' in str(problem)
