"""Loss curves out of the logs that runs leave."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.markdown_sections import replace_section
from ssl_bench.results import curves as curves_module
from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.curves import curve_table, find_curves
from ssl_bench.results.run_logs import find_runs
from ssl_bench.results.store import scan
from tests.results.factory import make_record

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


@pytest.fixture
def board(tmp_path):
    """Two seeds of two pretrainings, their transfers, and runs without name.

    Returns:
        tuple[Path, list[Row]]: The folder, and rows of its records.
    """
    for seed in (0, 1):
        for config, method, variant in (
            ('insloc_r18_fpn', 'InsLoc', 'FPN'),
            ('moco_r18', 'MoCo v2', ''),
        ):
            said = f'dict(name={method!r}, variant={variant!r})'
            folder = tmp_path / f'{config}_seed{seed}'
            write_run(folder, [2.0, 1.0], config=config, name=said)
            record = make_record(method, variant, 'mini_knn', seed)
            record['pretrain']['config'] = config
            top = tmp_path / record['run_id']
            write_record(top, record)
            write_run(top, [5.0, 4.0], config='mini_knn', name='None')
    write_run(tmp_path / 'alone', [3.0, 1.0], name='None')
    unfinished = make_record('InsLoc', 'FPN', 'mini_seg_fcn', 7)['run_id']
    write_run(tmp_path / unfinished, [0.9, 0.8], config='x', name='None')
    rows = build(scan([tmp_path])[0], published='none').measured
    return tmp_path, rows


def test_every_run_is_under_its_method(board):
    curves, problems = find_curves([board[0]], board[1])
    assert problems == []
    found = [(c.group, c.label, c.seed, c.name) for c in curves]
    assert found[:4] == [
        ('pretraining', 'InsLoc (FPN)', 0, 'InsLoc (FPN)'),
        ('pretraining', 'InsLoc (FPN)', 1, 'InsLoc (FPN)'),
        ('pretraining', 'MoCo v2', 0, 'MoCo v2'),
        ('pretraining', 'MoCo v2', 1, 'MoCo v2'),
    ]
    assert sorted(found[4:9]) == [
        ('mini_knn', 'InsLoc (FPN)', 0, 'InsLoc (FPN)'),
        ('mini_knn', 'InsLoc (FPN)', 1, 'InsLoc (FPN)'),
        ('mini_knn', 'MoCo v2', 0, 'MoCo v2'),
        ('mini_knn', 'MoCo v2', 1, 'MoCo v2'),
        # it has no record yet: its folder says what it is
        ('mini_seg_fcn', 'InsLoc (FPN)', 7, 'InsLoc (FPN)'),
    ]
    assert found[9:] == [('other', 'alone', None, 'alone')]
    # all of one method and group have one identity, that of its rows
    by_label = {(c.group, c.label): {} for c in curves[:8]}
    for curve in curves[:8]:
        by_label[curve.group, curve.label][curve.method] = 0
    assert all(len(known) == 1 for known in by_label.values())
    assert (
        by_label['pretraining', 'MoCo v2'] == by_label['mini_knn', 'MoCo v2']
    )
    # before the first record the run's own config says the method
    alone, _ = find_curves([board[0]])
    assert [(c.group, c.name, c.seed, c.method) for c in alone[:2]] == [
        ('pretraining', 'InsLoc (FPN)', 0, ''),
        ('pretraining', 'InsLoc (FPN)', 1, ''),
    ]


def test_numbers_of_a_curve(tmp_path):
    write_run(tmp_path / 'run', [3.0, -1.0, 2.0], feature_rank=9.5, lr=0.1)
    [curve], _ = find_curves([tmp_path])
    assert curve.steps == [10, 20, 30] and curve.lines == 1
    assert curve.values == dict(
        loss=[3.0, -1.0, 2.0], feature_rank=[9.5] * 3, lr=[0.1] * 3
    )
    assert curve.texts['loss'] == dict(
        first='3', last='2', lowest='-1', highest='3'
    )
    write_run(tmp_path / 'long', [float(i) for i in range(1000)])
    long, _ = find_curves([tmp_path])[0]
    assert (len(long.steps), long.lines, long.steps[-1]) == (240, 5, 10_000)


def test_too_many_curves_are_a_fair_share(tmp_path, monkeypatch):
    for seed in range(6):
        write_run(tmp_path / f'a_seed{seed}', [2.0, 1.0], config='a')
    said = "dict(name='Rare')"
    write_run(tmp_path / 'z', [2.0, 1.0], config='z', name=said)
    monkeypatch.setattr(curves_module, 'MAX_CURVES', 3)
    curves, [problem] = find_curves([tmp_path])
    assert [(c.name, c.seed) for c in curves] == [
        ('Mine (A)', 0),
        ('Mine (A)', 1),
        ('Rare', None),
    ]
    assert '7 curves; the page shows 3' in problem.message
