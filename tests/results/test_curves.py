"""Loss curves out of the logs that runs leave."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.markdown_sections import replace_section
from ssl_bench.results.curves import curve_table, find_runs

ROOT = Path(__file__).parents[2]


def write_run(
    folder,
    losses,
    stamp='1',
    config='mine_r18',
    start=10,
    name="dict(name='Mine', variant='A')",
    **more,
):
    log = folder / stamp / 'vis_data'
    log.mkdir(parents=True)
    (folder / f'{config}.py').write_text(f'method = {name}\n')
    rows = [
        dict(step=start + 10 * i, loss=loss, **more)
        for i, loss in enumerate(losses)
    ]
    (log / 'scalars.json').write_text(
        '\n'.join(map(json.dumps, [*rows, dict(top1=3.0)]))
    )


@pytest.fixture
def work(tmp_path):
    write_run(
        tmp_path / 'mine_seed0',
        [3.0, 4.0, 2.0],
        feature_std=0.5,
        feature_rank=9.0,
    )
    write_run(
        tmp_path / 'mine_seed0',
        [1.5, 1.0],
        stamp='2',
        start=30,
        feature_std=0.25,
        feature_rank=7.4,
    )
    write_run(tmp_path / 'mine_seed1', [9.0, 8.0])
    write_run(
        tmp_path / 'other_seed0',
        [5.0, 5.001, 1.0],
        config='other',
        name="dict(name='Other')",
    )
    transfer = tmp_path / 'transfer'
    write_run(transfer, [7.0], config='task')
    (transfer / 'task.py').write_text("model = dict(type='X')\n")
    return tmp_path


def test_runs_are_read_by_config(work):
    runs = find_runs([work])
    assert [(run.name, run.config) for run in runs] == [
        ('Mine (A)', 'mine_r18'),
        ('Mine (A)', 'mine_r18'),
        ('Other', 'other'),
    ]
    first = runs[0]  # resumed at step 20: what came later counts
    assert [row['step'] for row in first.rows] == [10, 20, 30, 40]
    assert first.losses == [3.0, 4.0, 1.5, 1.0]
    assert first.rises_first and first.peak['step'] == 20
    assert not runs[2].rises_first  # by a hair


def test_the_table_shows_one_run_of_each_config(work):
    lines = curve_table(find_runs([work])).splitlines()
    assert len(lines) == 4
    assert lines[2] == (
        '| `mine_r18` | Mine (A) | 40 | 3 | 4 (20) | 1 | '
        '0.50 to 0.25 | 9 to 7 |'
    )
    assert lines[3] == '| `other` | Other | 30 | 5 | the first | 1 |  |  |'


@pytest.mark.slow
def test_the_command_writes_picture_and_table(work, tmp_path):
    page, out = tmp_path / 'page.md', tmp_path / 'curves.png'
    page.write_text('a\n<!-- curves -->\nx\n<!-- /curves -->\nb\n')
    done = subprocess.run(
        [
            sys.executable,
            ROOT / 'tools/loss_curves.py',
            work,
            '-o',
            out,
            '--update',
            page,
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert page.read_text() == replace_section(
        'a\n<!-- curves -->\n<!-- /curves -->\nb\n',
        'curves',
        '![Loss of each config by iteration](curves.png)\n\n'
        + curve_table(find_runs([work])),
    )
    with Image.open(out) as picture:
        assert picture.width > 600  # two panels
        colours = picture.convert('RGB').getcolors(1 << 20)
    blue = [n for n, (r, g, b) in colours if b > r + 80]
    assert sum(blue) > 200  # lines


def test_nothing_to_read(tmp_path):
    with pytest.raises(UserError, match='no log of a pretraining below'):
        find_runs([tmp_path])
    write_run(tmp_path / 'run', [1.0])
    (tmp_path / 'run/1/vis_data/scalars.json').write_text('{"step"')
    with pytest.raises(UserError, match='scalars.json: line 1 is not JSON'):
        find_runs([tmp_path])
