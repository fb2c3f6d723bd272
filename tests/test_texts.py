"""What the README says exists; nothing tells of the machine it was made on."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    ROOT / 'tests/data/README.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
]
OURS = re.compile(
    r'(?<![\w/.])(?:tools|docs|configs|benchmarks|ssl_bench|tests)/[\w./]+'
    r'\.(?:py|sh|md|csv)\b'
)
# in CONTRIBUTING.md and the pages: to be replaced by the reader
PLACEHOLDER = re.compile(r'NAME|TASK|<')


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page):
    named = set(OURS.findall(page.read_text(encoding='utf-8')))
    missing = [
        name
        for name in sorted(named)
        if not (ROOT / name).is_file() and not PLACEHOLDER.search(name)
    ]
    assert missing == []


def test_names_of_files_are_found():
    assert len(OURS.findall(README)) > 10


# words that a reader who is not a native speaker stumbles over
HARD_WORDS = re.compile(
    r'\b(?:anew|mend|mended|thereof|thereby|whence|beside|hitherto|lest'
    r'|of no use|is no (?:folder|file|checkpoint|multiple|number|task))\b',
    re.I,
)


def test_plain_words():
    found = []
    for pattern in ('*.py', '*.md', '*.html', '*.css', '*.js', '*.sh'):
        for path in ROOT.rglob(pattern):
            name = str(path.relative_to(ROOT))
            if name.startswith(
                ('.', 'work_dirs', 'data/', 'build', 'site/')
            ) or path == Path(__file__):
                continue
            for number, line in enumerate(
                path.read_text(encoding='utf-8').splitlines(), 1
            ):
                if HARD_WORDS.search(line):
                    found.append(f'{name}:{number}: {line.strip()}')
    assert found == []


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
