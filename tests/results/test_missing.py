"""Missing cells of the matrix, and the commands that fill them."""

import shlex

import pytest

from ssl_bench.cli import build_parser
from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.missing import coverage, summary
from ssl_bench.results.record import Stored, make_run_id, run_identity
from ssl_bench.results.store import scan
from tests.results import pages
from tests.results.factory import METHODS, make_record, sha, suite


def cells_of(board):
    return {
        (cell.like.short_name, cell.like.backbone, cell.column.title): cell
        for cell in coverage(board)
    }


def board_of(records, **options):
    stored = [Stored(record, 'x/result.json') for record in records]
    return build(stored, **{'published': 'none', **options})


def parsed(command):
    """The command as the command line reads it."""
    words = shlex.split(command)
    assert words[0] == 'ssl-bench'
    return build_parser().parse_args(words[1:])


def test_nothing_is_missing_of_a_whole_board():
    cells = coverage(pages.board('plain'))
    assert summary(cells) == '15 of 15 cells measured'
    assert not any(cell.missing or cell.fills for cell in cells)


def test_a_missing_cell_and_missing_seeds():
    cells = cells_of(pages.board('missing'))
    empty = cells['PixPro', 'ResNet-18', 'Mini kNN']
    assert (empty.seeds, empty.missing) == ([], [0, 1, 2])
    part = cells['InsLoc (FPN)', 'ResNet-18', 'Mini FCN segmentation']
    assert (part.seeds, part.missing) == ([0], [1, 2])
    [fill] = part.fills
    args = parsed(fill.command)
    assert args.tasks == ['mini_seg_fcn'] and args.seeds == [1, 2]
    assert args.checkpoints == ['CHECKPOINT']
    checkpoint = part.like.checkpoints[0]
    assert fill.notes == (f'CHECKPOINT: the file with SHA-256 {checkpoint}',)
    # a departure that one method alone has is asked of nobody
    titles = {title for _, _, title in cells}
    assert not any('max_iters' in title for title in titles)
    # one method alone has Mini linear depth: the others are asked for it
    depth = [c for (_, _, t), c in cells.items() if t == 'Mini linear depth']
    assert len(depth) == 5 and all(0 in c.seeds + c.missing for c in depth)


def test_summary_counts_cells():
    text = summary(coverage(pages.board('missing')))
    # 5 methods x 4 tasks; PixPro lacks kNN, the others lack depth
    assert text == '15 of 20 cells measured, 2 with one seed'


def test_one_seed_asks_for_three():
    cells = coverage(pages.board('one-seed'))
    assert all(cell.missing == [1, 2] for cell in cells)
    random = next(c for c in cells if c.like.method == 'Random init')
    args = parsed(random.fills[0].command)
    assert (args.checkpoints, args.arch) == (['random'], 'resnet18')


def test_what_departs_is_in_the_command():
    more = dict(
        departures=[
            'train_cfg.max_iters=4',
            "model.name=it's; echo a",
            '0.1 of the training images, drawn with seed 0; the schedule is '
            'that of the whole',
            '/data/x is read, which is not of the data set mini',
        ],
        extra=dict(recipe='two_fc'),
        trained='lora:8',
    )
    records = [
        make_record(name, seed=seed, **more)
        for name, seeds in (('A', (0, 1)), ('B', (0,)))
        for seed in seeds
    ]
    [cell] = [c for c in coverage(board_of(records)) if c.missing]
    args = parsed(cell.fills[0].command)
    assert (cell.like.method, args.seeds) == ('B', [1])
    assert (args.recipe, args.train, args.fraction) == (
        'two_fc',
        'lora:8',
        0.1,
    )
    assert args.cfg_options == [
        'model.name="it\'s; echo a"',
        'train_cfg.max_iters=4',
    ]
    assert 'as in its records: /data/x is read' in cell.fills[0].notes[1]


def test_weights_of_each_seed_are_found_next_to_the_runs(tmp_path):
    """One pretraining for each seed, as the demo does it."""
    for seed in (0, 1):
        for task in ('mini_knn', 'mini_seg_fcn'):
            if (seed, task) == (1, 'mini_seg_fcn'):
                continue
            record = make_record(task=task, seed=seed)
            record['pretrain']['checkpoint_sha256'] = sha(f'seed {seed}')
            write_record(tmp_path / record['run_id'], record)
    for record in suite(METHODS[:1], ['mini_knn', 'mini_seg_fcn'], (0, 1, 2)):
        write_record(tmp_path / record['run_id'], record)
    path = tmp_path / f'moco-v2_{sha("seed 1")[:12]}.backbone.safetensors'
    path.touch()
    cells = cells_of(build(*scan([tmp_path]), published='none'))
    cell = cells['MoCo v2', 'ResNet-18', 'Mini FCN segmentation']
    one, two = cell.fills
    assert parsed(one.command).checkpoints == [str(path)]
    assert parsed(one.command).work_dir == str(tmp_path)
    assert (one.seeds, one.notes) == ((1,), ())
    assert two.seeds == (2,) and 'a new pretraining' in two.notes[0]


def runs(folder, seeds):
    """Records whose ids are those of runs, of two methods on two tasks."""
    for method in ('MoCo v2', 'Random init'):
        for task in ('mini_knn', 'mini_seg_fcn'):
            for seed in seeds[task]:
                record = make_record(method, task=task, seed=seed)
                identity = run_identity(
                    record['config_sha256'], record['backbone']
                )
                record['run_id'] = make_run_id(
                    method,
                    '',
                    task,
                    seed,
                    f'{identity} {record["data"]["fingerprint"]}',
                    record['pretrain']['checkpoint_sha256'],
                )
                write_record(folder / record['run_id'], record)


def test_a_run_that_was_started_is_named(tmp_path):
    runs(tmp_path, {'mini_knn': (0, 1), 'mini_seg_fcn': (0, 1)})
    [lost] = tmp_path.glob('moco-v2_mini_knn_s1_*')
    (lost / 'result.json').unlink()
    cells = coverage(build(*scan([tmp_path]), published='none'))
    [cell] = [cell for cell in cells if cell.missing]
    assert cell.started == {1: str(lost)}
    assert summary(cells) == (
        '4 of 4 cells measured, 1 with one seed; '
        '1 run started and not finished'
    )
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    cells = coverage(build(*scan([tmp_path]), published='none'))
    assert not any(cell.started for cell in cells)


def test_older_settings_and_trial_runs_are_not_asked_for():
    records = [
        make_record(name, seed=seed, config_sha256=sha(settings), **more)
        for settings, more in (
            ('old', dict(finished='2025-05-01T11:00:00+00:00')),
            ('new', dict(finished='2025-05-02T11:00:00+00:00')),
        )
        for name, seeds in (('A', (0, 1)), ('B', (0,)))
        for seed in seeds
    ]
    for i, record in enumerate(records):
        record['run_id'] = f'run{i}'
    cells = coverage(board_of(records))
    assert len(cells) == 2 and {c.column.title for c in cells} == {'Mini kNN'}
    records = [
        make_record(name, departures=['trial=True']) for name in ('A', 'B')
    ]
    assert coverage(board_of(records)) == []


def test_a_task_that_is_not_installed_has_no_command():
    records = [
        make_record('A', task='theirs', metrics={'x': 1.0}, seed=seed)
        for seed in (0, 1)
    ]
    records.append(make_record('B', task='theirs', metrics={'x': 1.0}))
    assert coverage(board_of(records)) == []


@pytest.mark.parametrize('name', ['names', 'two-backbones', 'all', 'printed'])
def test_every_command_is_understood(name):
    cells = coverage(pages.board(name))
    for cell in cells:
        for fill in cell.fills:
            args = parsed(fill.command)
            assert tuple(args.seeds) == fill.seeds
            assert args.tasks[-1] == cell.column.task


def test_the_command_makes_the_missing_record(
    registered, mini_root, tmp_path, capsys
):
    """A real run: the cell is filled, by the run that was said to be missing."""
    where = ['--data-root', str(mini_root)]
    go = build_parser().parse_args
    first = [
        'transfer',
        'random',
        '--arch',
        'resnet18-w16',
        '--tasks',
        'mini_knn',
        '--work-dir',
        str(tmp_path),
        *where,
    ]
    args = go(first)
    args.run(args)
    [cell] = coverage(build(*scan([tmp_path]), published='none'))
    assert (cell.seeds, cell.missing) == ([0], [1, 2])
    args = go([*shlex.split(cell.fills[0].command)[1:], *where])
    args.seeds = [1]
    args.run(args)
    [run] = tmp_path.glob('random-init_mini_knn_s1_*')
    kept = (run / 'result.json').read_bytes()
    (run / 'result.json').unlink()
    [cell] = coverage(build(*scan([tmp_path]), published='none'))
    assert cell.started == {1: str(run)}  # so the id was foreseen
    (run / 'result.json').write_bytes(kept)
    [cell] = coverage(build(*scan([tmp_path]), published='none'))
    assert (cell.seeds, cell.missing) == ([0, 1], [])
