"""Records that describe their task are shown as those of the table are."""

import json
import shlex

import pytest

from ssl_bench.cli import build_parser, main
from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.missing import coverage
from ssl_bench.results.ranking import rank_tables
from ssl_bench.results.record import Stored, faults
from ssl_bench.results.run_logs import RUN_ID
from ssl_bench.results.task_words import FILE, write_words
from ssl_bench.tasks.custom import file_task
from ssl_bench.tasks.own import OwnData, OwnSplit
from ssl_bench.tasks.table import _table, find_task, on_own_data
from tests.results.factory import make_record

DEPTH = 'custom:rooms/nyu_depth_lin1_dinov2'
FACTS = dict(
    title='rooms: depth',
    group='depth',
    order=5,
    metrics=dict(
        RMSE=dict(
            toolkit='rmse',
            unit='metres',
            places=3,
            highest=10.0,
            higher_is_better=False,
            tolerance=0.01,
        )
    ),
    shown=['RMSE'],
)


@pytest.fixture(autouse=True)
def _fresh_table():
    """What a test's records say is of that test alone."""
    _table.cache_clear()
    yield
    _table.cache_clear()


def described(method, seed, value, task=DEPTH, facts=FACTS, **changes):
    """A record of a task that is not in the table."""
    return make_record(
        method,
        task=task,
        seed=seed,
        metrics=dict(RMSE=value),
        task_facts=facts,
        **changes,
    )


def stored(*records):
    return [Stored(r, f'runs/{r["run_id"]}/result.json') for r in records]


def runs(task=DEPTH, facts=FACTS):
    """Two methods, three seeds; the lower error is the better one."""
    return [
        described(method, seed, value + slope * seed, task, facts)
        for method, value, slope in (
            ('MoCo v2', 0.5, 0.001),
            ('PixPro', 0.4, 0.002),
        )
        for seed in range(3)
    ]


def test_a_table_knows_what_a_record_says():
    board = build(stored(*runs()), published='none')
    first, second = board.rows
    assert (first.method, second.method) == ('PixPro', 'MoCo v2')
    assert (first.place, second.place) == (1, 2)
    assert first.places == 3
    kinds = {problem.kind for problem in board.problems}
    assert 'task not installed' not in kinds
    # no paper has numbers of it, so none is missed of supervised weights
    text = ' '.join(map(str, board.problems))
    assert 'random initialisation' in text and 'supervised' not in text


def test_a_record_that_says_nothing_is_of_a_task_that_is_not_installed():
    records = [
        make_record(task='custom:a', seed=s, task_facts=None) for s in (0, 1)
    ]
    board = build(stored(*records), published='none')
    assert 'task not installed' in {p.kind for p in board.problems}


def test_own_tasks_are_ranked_apart_from_those_of_papers():
    more = {**FACTS, 'title': 'halls: depth'}
    records = runs() + runs('custom:halls/depth', more)
    for task in ('mini_knn', 'mini_seg_fcn'):
        records += [
            make_record(method, task=task, seed=seed, backbone='ResNet-50')
            for method in ('MoCo v2', 'PixPro')
            for seed in range(3)
        ]
    usual, own = rank_tables(build(stored(*records), published='none'))
    assert {*usual.tasks} == {'mini_knn', 'mini_seg_fcn'}
    assert not usual.custom
    assert own.tasks == ['custom:halls/depth', DEPTH] and own.custom
    assert own.network.endswith(', own tasks')
    assert own.rankings[0].name == 'PixPro'


def test_two_descriptions_of_a_task_are_named():
    other = {**FACTS, 'title': 'bedrooms'}
    last = described('BYOL', 0, 0.3, facts=other)
    last['finished'] = '2099-01-01T00:00:00+00:00'
    board = build(stored(*runs(), last), published='none')
    [problem] = [p for p in board.problems if p.kind == 'task described twice']
    assert "title 'rooms: depth' and 'bedrooms'" in problem.message
    assert len(problem.paths) == 7
    metrics = dict(RMSE={**FACTS['metrics']['RMSE'], 'places': 2})
    odd = described('BYOL', 0, 0.3, facts={**FACTS, 'metrics': metrics})
    board = build(stored(*runs(), odd), published='none')
    assert 'metrics.RMSE' in ' '.join(map(str, board.problems))


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(title='x' * 201), 'task_facts.title'),
        (dict(title=''), 'task_facts.title is empty'),
        (dict(order=10**9), 'task_facts.order'),
        (dict(order='5'), 'task_facts.order'),
        (dict(shown=['mIoU']), "'mIoU' of `shown` is not in `metrics`"),
        (dict(shown=[]), '`metrics` and `shown` need a name each'),
        (dict(metrics={}), '`metrics` and `shown` need a name each'),
        (dict(colour='red'), 'task_facts.colour is not a field'),
        (dict(metrics={f'm{i}': dict(tolerance=1.0) for i in range(101)}), ''),
        (dict(metrics=dict(RMSE=dict(tolerance='inf'))), 'task_facts.metrics'),
        (dict(metrics=dict(RMSE=dict(tolerance=1e13))), 'task_facts.metrics'),
        (dict(metrics=dict(RMSE=dict(tolerance=-1.0))), 'not negative'),
        (
            dict(metrics=dict(RMSE=dict(tolerance=1.0, places=99))),
            'metrics.RMSE needs places of 0 to 6',
        ),
    ],
)
def test_facts_of_others_are_checked(change, message):
    found = faults(described('BYOL', 0, 0.3, facts={**FACTS, **change}))
    assert found and message in found[0]


def test_numbers_are_checked_by_the_facts_of_their_record():
    assert faults(described('BYOL', 0, 0.3)) == []
    [fault] = faults(described('BYOL', 0, 10.5))
    assert 'metrics.RMSE must be in 0..10 (metres), got 10.5' in fault
    record = described('BYOL', 0, 0.3)
    record['metrics']['mIoU'] = 3.0
    assert "unknown metric 'mIoU'" in faults(record)[0]


def test_a_record_cannot_describe_a_task_of_the_table():
    record = make_record(task='mini_knn', task_facts=FACTS)
    assert 'only of a task whose id begins with custom:' in faults(record)[0]


def test_every_output_has_own_tasks(tmp_path, capsys):
    """Ids with a colon and a slash, in the names of folders and labels."""
    for record in runs():
        folder = tmp_path / 'runs' / record['run_id']
        write_record(folder, record)
        match = RUN_ID.fullmatch(folder.name)
        assert match['words'].endswith('custom-rooms-nyu_depth_lin1_dinov2')
    for ending in ('html', 'csv', 'tex', 'md', 'json'):
        output = tmp_path / f'board.{ending}'
        words = ['leaderboard', str(tmp_path / 'runs'), '-o', str(output)]
        assert main(words) in (0, 3)
        text = output.read_text()
        assert 'not installed' not in text
        title = DEPTH if ending in ('csv', 'json') else 'rooms: depth'
        assert title in text
    main(['leaderboard', str(tmp_path / 'runs'), '--details'])
    out = capsys.readouterr().out
    assert 'rooms: depth' in out and 'RMSE in metres' in out
    assert '0.402' in out  # three decimals


def commands(board):
    """Of every missing run, as the command line reads them, with notes."""
    return [
        (build_parser().parse_args(shlex.split(fill.command)[1:]), fill.notes)
        for cell in coverage(board)
        for fill in cell.fills
    ]


def test_the_command_of_a_missing_run_names_file_and_data(
    tmp_path, monkeypatch, mini_root
):
    path = tmp_path / 'my file.py'
    path.write_text("_base_ = 'ssl_bench::transfer/mini_knn.py'\n")
    own = OwnData(
        name='shapes',
        kind='folders',
        train=OwnSplit(images=str(mini_root / 'imagenet/train')),
        val=OwnSplit(images=str(mini_root / 'imagenet/val')),
        classes=('a', 'b'),
    )
    of_file = on_own_data(file_task(str(path)).id, own)
    of_table = on_own_data('mini_knn', own)
    for task in (of_file, of_table):
        for seed in (0, 1):
            record = make_record(
                'BYOL',
                task=task.id,
                seed=seed,
                metrics=dict(top1=50.0 + seed),
                task_facts=task.facts.model_dump(mode='json'),
            )
            folder = tmp_path / 'runs' / record['run_id']
            write_record(folder, record)
            write_words(find_task(task.id), folder)
        record = make_record(
            'PixPro',
            task=task.id,
            metrics=dict(top1=50.0),
            task_facts=task.facts.model_dump(mode='json'),
        )
        write_record(tmp_path / 'runs' / record['run_id'], record)
    _table.cache_clear()  # another process
    from ssl_bench.results.store import scan

    board = build(*scan([tmp_path / 'runs']), published='none')
    found = commands(board)
    assert [args.tasks for args, _ in found] == [['mini_knn'], [str(path)]]
    for args, notes in found:
        assert args.train_data == [own.train.images]
        assert args.val_data == [own.val.images]
        assert (args.data_name, args.seeds) == ('shapes', [1])
        assert len(notes) == 1 and notes[0].startswith('CHECKPOINT')
    # no option names a part of class folders
    part = own.model_copy(
        update=dict(train=own.train.model_copy(update=dict(names='list')))
    )
    write_words(on_own_data('mini_knn', part), tmp_path)
    assert not (tmp_path / FILE).exists()
    # on another machine the words are not there
    for words in (tmp_path / 'runs').glob(f'*/{FILE}'):
        words.write_text(json.dumps(['--classifier', 'x']))
    board = build(*scan([tmp_path / 'runs']), published='none')
    for args, notes in commands(board):
        assert args.tasks == ['TASK'] and args.train_data is None
        assert notes[1].startswith('TASK: custom:shapes/m')
