"""What the README says exists; nothing tells of the machine it was made on."""

import re
import subprocess
from pathlib import Path

import pytest

from ssl_bench.cli import SUBCOMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_files_named_in_the_readme_exist():
    named = set(
        re.findall(
            r'(?:tools|docs|configs|benchmarks|ssl_bench)/[\w./]+\.(?:py|sh|md)',
            README,
        )
    )
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_subcommands_named_in_the_readme_exist():
    named = set(re.findall(r'ssl-bench ([a-z]+)', README))
    assert named and named <= set(SUBCOMMANDS)


def test_make_targets_stand_at_the_top_of_the_readme():
    makefile = (ROOT / 'Makefile').read_text()
    for target in ('demo', 'test'):
        assert f'make {target} ' in README[:600]
        assert re.search(rf'^{target}:', makefile, re.M)
    assert 'make test' in (ROOT / '.ci/run').read_text()


def test_no_machine_paths_in_tracked_files():
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    done = subprocess.run(
        ['git', 'grep', '-nIE', r'(^|[^.\w/])/(work|root|home)/', '--', '.'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ''


def test_tracked_files_are_small():
    if not (ROOT / '.git').exists():
        pytest.skip('not a git checkout')
    names = subprocess.run(
        ['git', 'ls-files', '-z'], cwd=ROOT, text=True, capture_output=True
    ).stdout.split('\0')[:-1]
    sizes = {
        name: (ROOT / name).stat().st_size
        for name in names
        if (ROOT / name).is_file()
    }
    for name, size in sizes.items():
        assert size < (3 if name.endswith('.npz') else 1) * 2**20, name
    assert sum(sizes.values()) < 20 * 2**20
