"""Rows, warnings and the CSV."""

import csv
import io
import json
import random
from types import SimpleNamespace

import pytest

from ssl_bench.cli.transfer import summary
from ssl_bench.config import config_dir
from ssl_bench.errors import UserError
from ssl_bench.results.board import aims, build
from ssl_bench.results.grid import grids
from ssl_bench.results.page_data import page_data
from ssl_bench.results.record import Stored
from ssl_bench.results.render import render
from ssl_bench.results.table import main_metrics
from ssl_bench.results.text_formats import (
    COLUMNS,
    LAST_COLUMNS,
    from_text,
    to_csv,
    to_json,
)
from tests.results.factory import METHODS, make_record, sha, suite

HEADER = (
    'method,variant,backbone,pretrain_data,pretrain_epochs,task,metric,'
    'measured_mean,measured_std,seeds,published,delta,'
    'published_source,checkpoint_sha256,run_ids,'
    'measured_low,measured_high,place,standing,'
    'recipe,departures,trained,'
    'verdict,protocol,gpu_hours,train_seconds,peak_memory_mib,'
    'pretrain_gpu_hours,pretrain_seconds,pretrain_peak_memory_mib'
)


def stored(*records):
    return [
        Stored(record, f'runs/{i}/result.json')
        for i, record in enumerate(records)
    ]


def lines(board):
    return list(csv.DictReader(io.StringIO(to_csv(board))))


def kinds(board):
    return [problem.kind for problem in board.problems]


@pytest.fixture(scope='module')
def records():
    return stored(*suite(METHODS, ['voc0712_det_c4', 'mini_knn']))


def costing(record, hours):
    """A record whose run took so many hours; its pretraining took 12.5."""
    record['cost'].update(gpu_hours=hours, train_seconds=hours * 3600)
    record['pretrain']['cost'] = dict(
        train_seconds=None,
        images_per_second=None,
        peak_memory_mib=70000.0,
        gpu_hours=12.5,
    )
    return record


def test_one_cell_by_hand():
    board = build(
        stored(
            *(
                costing(
                    make_record(
                        'MoCo v2',
                        task='voc0712_det_c4',
                        seed=seed,
                        metrics={'bbox_AP': value},
                    ),
                    2.0 + seed,
                )
                for seed, value in ((0, 57.0), (1, 57.4), (2, 57.5))
            )
        ),
        published='own',
    )
    [line] = lines(board)
    assert ','.join(line) == HEADER == ','.join(COLUMNS + LAST_COLUMNS)
    ids = ';'.join(
        make_record('MoCo v2', task='voc0712_det_c4', seed=seed)['run_id']
        for seed in range(3)
    )
    assert (
        list(line.values())
        == [
            'MoCo v2',
            '',
            'ResNet-50',
            'IN1K',
            '200',
            'voc0712_det_c4',
            'bbox_AP',
            '57.3',
            '0.2645751311',
            '3',
            '57',
            '0.3',
            'MoCo v2 (repository): ' + board.rows[0].published.source,
            sha('MoCo v2200'),
            ids,
            '56.64275894',  # 57.3 -/+ 4.302653 * 0.2645751 / sqrt(3)
            '57.95724106',
            '',
            '',
            '',
            '',
            'full',
            'reproduced',
            'Detectron2 config of MoCo (He et al., CVPR 2020, App. A.1); '
            f'settings {sha("voc0712_det_c4")[:8]}; '
            f'data {sha("data voc0712_det_c4")[:8]}',
            '3',
            '10800',
            '912',
            '12.5',
            '',
            '70000',
        ]
    )


def test_recipe_and_departures_tell_rows_apart():
    """In every output; such rows are no mixture, so nothing is warned of."""
    plain = make_record(task='mini_linear', metrics={'top1': 50.0})
    recipe = dict(plain, run_id='r', config_sha256=sha('r'))
    recipe['extra'] = {'recipe': 'lewel'}
    changed = dict(plain, run_id='c', config_sha256=sha('c'))
    changed['departures'] = ['lr=1']
    board = build(stored(plain, recipe, changed), methods=['MoCo v2'])
    told = {('', ''), ('lewel', ''), ('', 'lr=1')}
    assert kinds(board) == []
    found = lines(board)
    assert {(line['recipe'], line['departures']) for line in found} == told
    assert {
        (row['recipe'] or '', '; '.join(row['departures']))
        for row in json.loads(to_json(board))['rows']
    } == told
    names = [[part.text for part in row[0]] for row in grids(board)[0].body]
    assert ['MoCo v2', 'recipe lewel'] in names
    assert {row['label'] for row in page_data(board)['rows']} == {
        'MoCo v2',
        'MoCo v2, lewel',
        'MoCo v2 †',
    }


def test_a_changed_pretraining_is_no_mixture_and_no_baseline():
    """Its seeds are another row's; a name alone is the unchanged method."""
    records = []
    for seed in (0, 1):
        kept = make_record(seed=seed, metrics={'top1': 50.0 + seed})
        other = make_record(
            seed=seed, metrics={'top1': 40.0 + 3 * seed}, run_id=f'o{seed}'
        )
        other['pretrain'] = dict(
            other['pretrain'], departures=['lr=1'], checkpoint_sha256=sha('o')
        )
        records += [kept, other]
    board = build(stored(*records), methods=['MoCo v2'], baseline='MoCo v2')
    assert kinds(board) == []
    gaps = {
        row.short_name: row.difference and row.difference.difference
        for row in board.rows
    }
    assert gaps == {'MoCo v2': None, 'MoCo v2, changed': -9.0}
    board = build(stored(*records), baseline='MoCo v2 (lr=1)')
    assert {r.short_name for r in board.rows if r.difference} == {'MoCo v2'}


def test_seeds_are_missed_row_by_row():
    recipe = [
        dict(
            make_record(task='mini_linear', seed=seed, run_id=f'r{seed}'),
            config_sha256=sha('r'),
            extra={'recipe': 'lewel'},
        )
        for seed in (0, 1)
    ]
    plain = make_record(task='mini_linear', seed=0)
    board = build(stored(plain, *recipe), methods=['MoCo v2'])
    assert [problem.message for problem in board.problems] == [
        'MoCo v2 on mini_linear lacks seed 1'
    ]


def test_rounding_is_no_difference():
    """(39.7 + 39.8 + 39.9) / 3 is 39.8, and not -0.0 from it."""
    records = stored(
        *(
            make_record(
                'MoCo v2', '', 'coco_mrcnn_fpn_1x', seed, {'bbox_AP': value}
            )
            for seed, value in enumerate((39.8, 39.9, 39.7))
        )
    )
    [row] = build(records, published='own').rows
    assert row.mean != 39.8 and row.published.value == 39.8
    assert lines(build(records, published='own'))[0]['delta'] == '0'


@pytest.mark.parametrize('name', ['MoCo v2@123', 'MoCo v2 [ResNet-18x]'])
def test_a_form_that_nobody_has_is_named(name):
    with pytest.raises(UserError, match=r'unknown method.*MoCo v2@200 \['):
        build(stored(make_record()), methods=[name])


def test_one_seed_has_no_deviation_and_unknown_is_empty():
    [line] = lines(build(stored(make_record(epochs=None))))
    assert (line['measured_std'], line['seeds']) == ('', '1')
    assert line['measured_low'] == line['place'] == ''
    assert line['standing'] == 'undecided: one seed'
    assert (
        line['published']
        == line['delta']
        == line['pretrain_epochs']
        == line['published_source']
        == ''
    )


def test_same_records_same_bytes(records):
    shuffled = list(records)
    random.Random(0).shuffle(shuffled)
    assert to_csv(build(shuffled)) == to_csv(build(records))
    assert to_json(build(shuffled)) == to_json(build(records))


def test_sorted_by_task_metric_then_best(records):
    found = lines(build(records))
    assert [(row['task'], row['metric']) for row in found] == sorted(
        (row['task'], row['metric']) for row in found
    )
    values = [
        float(row['measured_mean'] or row['published'])
        for row in found
        if row['metric'] == 'bbox_AP'
    ]
    assert len(values) > 50 and values == sorted(values, reverse=True)


def runs(method, values, task='mini_knn', metric='top1', **changes):
    """A record per seed and value."""
    return [
        make_record(method, '', task, seed, {metric: value}, **changes)
        for seed, value in enumerate(values)
    ]


def standings(board):
    return {row.method: (row.place, row.standing) for row in board.measured}


def test_lower_is_better_comes_first():
    board = build(
        stored(
            *runs('a', [50.0, 51.0, 50.4], 'in_c', 'mCE'),
            *runs('b', [40.0, 40.6, 40.5], 'in_c', 'mCE'),
        ),
        published='none',
    )
    assert [row.method for row in board.rows] == ['b', 'a']
    assert standings(board) == {'b': (1, 'unbeaten'), 'a': (2, 'beaten')}


def test_one_seed_takes_no_place():
    """A lucky single run was once first, above three seeds of another."""
    board = build(
        stored(
            *runs('lucky', [99.0]),
            *runs('a', [50.0, 50.6, 50.5]),
            *runs('b', [40.0, 41.0, 40.4]),
        ),
        methods=['lucky', 'a', 'b'],
        published='none',
        baseline='b',
    )
    assert standings(board) == {
        'lucky': (None, 'undecided: one seed'),
        'a': (1, 'unbeaten'),
        'b': (2, 'beaten'),
    }
    lucky = board.rows[0].difference
    assert lucky.answer == 'undecided' and lucky.reason == 'one seed'
    assert board.rows[1].difference.answer == 'better'
    assert board.rows[1].difference.tests == 1  # the run alone makes no test


def test_single_runs_only_have_no_place():
    board = build(stored(*runs('a', [50.0]), *runs('b', [1.0])))
    assert {row.standing for row in board.measured} == {'undecided: one seed'}
    assert all(row.place is None for row in board.rows)
    assert not any(row.best for row in board.rows)


def test_nothing_shown_no_place():
    board = build(stored(*runs('a', [50.0, 40.0]), *runs('b', [49.0, 40.0])))
    assert set(standings(board).values()) == {(None, 'undecided')}
    [_, second] = board.measured
    assert second.leader.method == 'a' and not second.to_leader.decided


def test_place_counts_those_that_are_better():
    board = build(
        stored(
            *runs('a', [50.0, 50.6, 50.5]),
            *runs('b', [49.0, 51.0, 50.6]),
            *runs('c', [40.0, 40.9, 40.5]),
            *runs('d', [39.6, 41.0, 40.6]),
        ),
        published='none',
    )
    assert standings(board) == {
        'a': (1, 'unbeaten'),
        'b': (1, 'unbeaten'),
        'c': (3, 'beaten'),
        'd': (3, 'beaten'),
    }


def test_the_answer_for_a_pair_is_in_one_family_only():
    """Three comparisons with the baseline, then three of the others."""
    records = stored(
        *runs('a', [50.0, 50.6, 50.5]),
        *runs('b', [49.0, 51.0, 50.6]),
        *runs('c', [40.0, 40.9, 40.5]),
        *runs('d', [39.6, 41.0, 40.6]),
    )
    plain = build(records, published='none')
    against = build(records, published='none', baseline='c')
    assert {row.to_leader.tests for row in plain.rows[1:]} == {6}
    assert {
        row.difference.tests for row in against.rows if row.difference
    } == {3}
    by_name = {row.method: row for row in against.rows}
    assert by_name['c'].to_leader == by_name['a'].difference.turned()
    assert by_name['b'].to_leader.tests == 3


def test_rows_of_other_settings_or_data_are_not_compared():
    data = dict(name='mini', fingerprint=sha('other'), images=10)
    for changes in (dict(config_sha256=sha('x')), dict(data=data)):
        board = build(
            stored(
                *runs('a', [50.0, 50.6, 50.5]),
                *runs('b', [40.0, 40.9, 40.5], **changes),
            ),
            published='none',
            baseline='a',
        )
        assert set(standings(board).values()) == {(None, '')}
        assert not any(row.difference for row in board.rows)
    assert {'mixed data'} <= set(kinds(board))
    board = build(
        stored(*runs('a', [1.0]), *runs('b', [1.0], config_sha256=sha('x')))
    )
    assert 'mixed settings' in kinds(board)


def two_backbones():
    return stored(
        *runs('Random init', [20.0, 20.6, 20.5]),
        *runs('MoCo v2', [30.0, 30.9, 30.4]),
        *runs('Random init', [60.0, 61.0, 60.4], backbone='ViT-B/16'),
        *runs('MAE', [70.0, 70.8, 70.7], backbone='ViT-B/16'),
    )


def unlike(records):
    """The same with run ids of their own."""
    for i, item in enumerate(records):
        item.record['run_id'] = f'run{i}'
    return records


def test_each_backbone_has_its_own_places_and_baseline():
    board = build(
        unlike(two_backbones()), published='none', baseline='Random init'
    )
    found = {
        (row.method, row.backbone): row.difference for row in board.measured
    }
    assert found['Random init', 'ResNet-18'] is None
    assert found['Random init', 'ViT-B/16'] is None
    assert found['MAE', 'ViT-B/16'].difference == pytest.approx(
        10.03, abs=0.01
    )
    assert found['MoCo v2', 'ResNet-18'].difference == pytest.approx(
        10.07, abs=0.01
    )
    assert {item.tests for item in found.values() if item} == {1}
    assert sorted(row.place for row in board.measured) == [1, 1, 2, 2]


def test_a_baseline_of_one_backbone_is_for_all():
    board = build(
        unlike(two_backbones()),
        published='none',
        baseline='random init [ResNet18]',
    )
    found = {
        (row.method, row.backbone): row.difference for row in board.measured
    }
    assert found['Random init', 'ResNet-18'] is None
    assert found['Random init', 'ViT-B/16'].difference == pytest.approx(
        40.1, abs=0.01
    )
    assert {item.tests for item in found.values() if item} == {3}
    assert {item.answer for item in found.values() if item} == {'better'}
    with pytest.raises(UserError, match=r'Did you mean MAE \[ViT-B/16\]'):
        build(unlike(two_backbones()), baseline='MAE [ViT-B/32]')
    only = build(unlike(two_backbones()), methods=['Random init [vitb16]'])
    assert [row.backbone for row in only.measured] == ['ViT-B/16']


def test_published_modes(records):
    own = build(records, published='own')
    everything = build(records, published='all')
    none = build(records, published='none')
    assert len(own.rows) == len(none.rows) == 20
    assert not any(row.published for row in none.rows)
    used = [row.published for row in own.rows if row.published]
    assert len(used) == 6  # MoCo v2 and random init, three metrics
    rest = [row for row in everything.rows if not row.values]
    assert {row.task for row in rest} == {'voc0712_det_c4'}
    assert not {id(row.published) for row in rest} & set(map(id, used))
    assert len(rest) == 67 + 70 + 63 - 6


def test_methods_and_tasks_are_chosen(records):
    board = build(records, wanted=['mini_knn'], methods=['insloc', 'pixpro'])
    assert [row.name for row in board.rows] == ['InsLoc (FPN)', 'PixPro']
    assert board.problems == []
    with pytest.raises(UserError, match='Did you mean InsLoc'):
        build(records, methods=['InsLok'])
    with pytest.raises(UserError, match='Did you mean mini_knn'):
        build(records, wanted=['mini_kmn'])
    asked = build(records, wanted=['coco_cascade_vitb'])  # only printed
    assert {row.task for row in asked.rows} == {'coco_cascade_vitb'}


def test_asked_task_without_numbers_is_named(records):
    board = build(records, wanted=['mini_seg_fcn'])
    assert board.rows == [] and [str(p) for p in board.problems] == [
        'empty: no number for task mini_seg_fcn'
    ]


def test_baseline(records):
    board = build(records, baseline='moco v2', wanted=['mini_knn'])
    by_name = {row.name: row for row in board.rows}
    assert by_name['MoCo v2'].difference is None
    better = by_name['InsLoc (FPN)'].difference
    assert better.n == (3, 3) and better.difference == pytest.approx(
        by_name['InsLoc (FPN)'].mean - by_name['MoCo v2'].mean
    )
    line = {row['method']: row for row in lines(board)}['InsLoc']
    assert line['baseline'] == 'moco v2' and line['baseline_pairs'] == '3'
    assert float(line['baseline_diff_low']) == pytest.approx(
        better.interval[0]
    )
    assert float(line['baseline_p_holm']) == pytest.approx(better.adjusted)
    assert (line['baseline_answer'], line['baseline_test']) == (
        better.answer,
        'paired',
    )
    with pytest.raises(UserError, match='unknown baseline'):
        build(records, baseline='BYOL')


def test_baseline_stays_with_chosen_methods(records):
    board = build(
        records, methods=['PixPro'], baseline='MoCo v2', wanted=['mini_knn']
    )
    assert [row.name for row in board.rows] == ['PixPro', 'MoCo v2']


def test_a_misspelt_baseline_is_called_so(records):
    """Also next to chosen methods, whose names are not the only ones."""
    for more in ({}, dict(methods=['PixPro'])):
        with pytest.raises(UserError) as error:
            build(records, baseline='MoCo v3', **more)
        assert str(error.value).startswith(
            "unknown baseline 'MoCo v3'. Did you mean MoCo v2?"
        )
        assert 'InsLoc (FPN), MoCo v2, PixPro' in str(error.value)
        with pytest.raises(UserError, match='unknown baseline .BYOL'):
            build(records, baseline='BYOL', **more)  # printed only
    board = build(records, methods=['PixPro'], baseline='MoCo v2')
    assert {row.name for row in board.measured} == {'PixPro', 'MoCo v2'}


def test_ambiguous_baseline_names_the_way_out():
    both = stored(
        make_record(epochs=200), make_record(epochs=800), make_record('PixPro')
    )
    with pytest.raises(UserError, match='200 epochs.*800 epochs|@EPOCHS'):
        build(both, baseline='MoCo v2')
    board = build(both, baseline='MoCo v2@800')
    assert sum(row.difference is not None for row in board.rows) == 2


def test_conflicting_numbers_are_shown():
    late = make_record(
        metrics={'top1': 40.0}, finished='2025-05-02T00:00:00+00:00'
    )
    board = build(
        stored(late, make_record(metrics={'top1': 30.0})), methods=['MoCo v2']
    )
    assert [row.mean for row in board.rows] == [40.0]
    [problem] = board.problems
    assert problem.kind == 'conflict' and '30.0, 40.0' in problem.message
    assert set(problem.paths) == {'runs/0/result.json', 'runs/1/result.json'}


def test_copies_count_once():
    board = build(stored(make_record(), make_record()), methods=['MoCo v2'])
    assert kinds(board) == ['duplicate']
    assert [len(row.values) for row in board.rows] == [1]


def test_other_config_is_another_row():
    other = make_record(seed=1, config_sha256=sha('x'), run_id='other')
    board = build(stored(make_record(), other), methods=['MoCo v2'])
    assert [len(row.values) for row in board.rows] == [1, 1]
    assert kinds(board) == ['mixed configs']
    assert board.problems[0].paths == (
        'runs/0/result.json',
        'runs/1/result.json',
    )


def test_other_data_is_another_row_and_named():
    other = make_record(
        seed=1,
        run_id='other',
        data=dict(name='mini', fingerprint=sha('other'), images=10),
    )
    third = make_record('PixPro')
    board = build(
        stored(make_record(), other, third), methods=['MoCo v2', 'PixPro']
    )
    assert 'mixed data' in kinds(board)
    assert max(len(row.values) for row in board.rows) == 1


def test_same_seed_with_two_checkpoints():
    other = make_record(run_id='other')
    other['pretrain'] = {
        **other['pretrain'],
        'checkpoint_sha256': sha('second'),
    }
    board = build(stored(make_record(), other), methods=['MoCo v2'])
    assert kinds(board) == ['mixed checkpoints']
    [row] = board.rows
    assert len(row.values) == 2 and len(row.checkpoints) == 2
    assert (row.std, row.interval) == (0.0, None)


def test_fractions_next_to_per_cent_are_questioned():
    def problems_of(**metrics):
        task = 'voc0712_det_c4'
        records = [
            make_record(task=task, metrics=dict(bbox_AP=57.0, bbox_AP50=82.4)),
            make_record('InsLoc', task=task, metrics=metrics),
        ]
        found = build(stored(*records)).problems
        return [p.message for p in found if p.kind == 'fractions']

    assert problems_of(bbox_AP=0.574) == [
        'InsLoc on voc0712_det_c4: bbox_AP 0.574 next to 57 looks like a '
        'fraction; records are in per cent'
    ]
    assert not problems_of(bbox_AP=0.1)  # a weak method
    assert not problems_of(bbox_AP=0.574, bbox_AP50=82.4)
    assert not problems_of(bbox_AP=57.4)


def test_fractions_share_no_mean_with_per_cent():
    records = [
        make_record(seed=seed, metrics=dict(top1=value))
        for seed, value in enumerate((57.1, 56.9, 0.572))
    ]
    board = build(stored(*records), published='none')
    assert [row.mean for row in board.rows] == [pytest.approx(57.0)]
    [problem] = [p for p in board.problems if p.kind == 'fractions']
    assert 'top1 0.572 next to 57.1' in problem.message
    assert 'left out of the mean' in problem.message


def test_incomplete_seeds_and_missing_controls():
    board = build(
        stored(make_record(), make_record(seed=1), make_record('PixPro'))
    )
    assert kinds(board) == [
        'incomplete seeds',
        'missing control',
        'missing control',
    ]
    assert 'PixPro on mini_knn lacks seed 1' in board.problems[0].message
    assert 'supervised row on mini_knn' in board.problems[2].message


def test_complete_suite_has_no_warnings(records):
    assert build(records).problems == []


def test_main_metrics(records):
    assert main_metrics(build(records)) == {
        'voc0712_det_c4': 'bbox_AP',
        'mini_knn': 'top1',
    }


@pytest.mark.parametrize(
    'gap, verdict', [(0.4, 'reproduced'), (0.6, 'off'), (0.0, 'reproduced')]
)
def test_one_verdict(gap, verdict):
    """A run says how far it is; only several seeds have a verdict."""
    records = runs(
        'MoCo v2',
        [38.8 + gap, 38.9 + gap, 39.0 + gap],
        'coco_mrcnn_c4_1x',
        'bbox_AP',
    )
    [row] = build(stored(*records), published='own').rows
    assert (row.published.value, row.verdict) == (38.9, verdict)
    [row] = build(stored(records[1]), published='own').rows
    assert row.verdict == 'undecided: one seed'
    text = f' (published 38.9: +{gap}, tolerance 0.5; undecided: one seed)'
    assert aims(records[1]) == {'bbox_AP': text}
    assert text in summary(
        SimpleNamespace(
            record=records[1], folder='x', fresh=True, retested=None
        )
    )


def test_no_config_repeats_a_published_number():
    for path in (config_dir() / 'transfer').rglob('*.py'):
        assert 'expected' not in path.read_text(), path


@pytest.mark.parametrize(
    'name',
    [
        '=HYPERLINK("x")',
        '+1-2',
        '-3',
        '-3.5',
        '@SUM(A1)',
        '\uff1d1+1',
        "'=1",
        "'",
    ],
)
def test_a_spreadsheet_runs_no_name_as_a_formula(name):
    record = make_record(method=name, metrics={'top1': 0.0})
    lines = to_csv(build([Stored(record, 'r')], published='none'))
    row = next(csv.DictReader(io.StringIO(lines)))
    assert row['method'] == f"'{name}"
    assert from_text(row['method']) == name


def test_a_negative_number_stays_a_number(records):
    rows = lines(build(records, baseline='InsLoc', wanted=['mini_knn']))
    worse = next(row for row in rows if row['method'] == 'Random init')
    assert float(worse['baseline_diff']) < 0


@pytest.mark.parametrize(
    'name', ['\t=1', '\r=1', '\n=1', '\x1b[31m', '\u202ex']
)
def test_control_characters_are_in_no_output(name):
    """Escapes that are seen; blanks are one space."""
    record = make_record(method=name, task='mini_knn')
    board = build([Stored(record, name)], published='none')
    for kind in ('csv', 'md', 'latex', 'json'):
        text = render(board, kind)
        assert all(char.isprintable() or char == '\n' for char in text), kind
    [row] = lines(board)
    assert row['method'][0] in "'\\"
