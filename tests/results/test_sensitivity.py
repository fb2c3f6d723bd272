"""Whether a ranking holds: planted flips and ties, noise, seeds, files."""

import csv
import io
import json

import pytest
from rich.cells import cell_len

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results import write_record
from ssl_bench.results.sensitivity import kendall, studies
from ssl_bench.results.sensitivity_files import render
from ssl_bench.results.sensitivity_text import grids, headline_order, sentence
from ssl_bench.results.sensitivity_types import (
    EQUAL,
    EQUAL_BOTH,
    FLIP,
    OWN,
    TIE,
)
from tests.results.factory import METRICS, make_record, sha, suite
from tests.results.test_departures import board_of

LR = 'optim_wrapper.optimizer.lr'
SPREAD = (-0.1, 0.0, 0.1)
OTHER = (-0.2, 0.0, 0.3)


def runs(method, mean, lr=None, task='mini_knn', metric='top1', **changes):
    """Three seeds around a mean; ``spread`` replaces their differences."""
    spread = changes.pop('spread', SPREAD)
    epochs = changes.pop('epochs', 200)
    if lr is not None:
        changes = dict(
            departures=[f'{LR}={lr}'], config_sha256=sha(f'{lr}'), **changes
        )
    return [
        make_record(
            method,
            '',
            task,
            seed,
            {metric: round(mean + gap, 4)},
            epochs,
            run_id=f'{method}-{task}-{seed}-{lr}-{epochs}'.replace(' ', '-'),
            **changes,
        )
        for seed, gap in enumerate(spread)
    ]


def of(*records, **options):
    return studies(board_of(*sum(records, []), published='none', **options))


def pairs(study, change=0):
    """Names of the pairs that change, and what that is."""
    return {
        tuple(study.labels[m] for m in pair.methods): pair.verdict
        for pair in study.changes[change].pairs
    }


def test_kendall_is_the_fraction_of_pairs():
    """Against counting: 6 pairs, 1 discordant, then one pair tied."""
    assert kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    # 5 concordant, none discordant, n0 = 6, n1 = 1
    assert kendall([1, 1, 3, 4], [1, 2, 3, 4]) == pytest.approx(5 / 30**0.5)
    assert kendall([3, 2, 1], [1, 2, 3]) == -1
    assert kendall([1, 2], [1, 2]) is None
    assert kendall([1, 1, 1], [1, 2, 3]) is None


def test_a_planted_flip_is_found_with_its_values():
    [study] = of(
        runs('A', 50), runs('B', 45, spread=OTHER), runs('C', 40),
        runs('A', 44, 0.02), runs('B', 47, 0.02, spread=OTHER),
        runs('C', 40, 0.02),
    )  # fmt: skip
    [change] = study.changes
    assert (change.first.name, change.second.name) == (OWN, f'{LR}=0.02')
    assert change.first.varies(change.second) == [LR]
    assert change.tau == pytest.approx(1 / 3) and change.ties == 0
    [flip] = change.flips
    assert [study.labels[m] for m in flip.methods] == ['A', 'B']
    assert flip.first.difference == pytest.approx(4.9666667)
    assert flip.second.difference == pytest.approx(-3.0333333)
    assert (flip.first.answer, flip.second.answer) == ('better', 'worse')
    assert study.answer == 'does not hold'
    assert headline_order(study) == 'A 50.0, B 45.0, C 40.0'
    assert sentence(study) == (
        'The headline order does not hold. A is better than B with the '
        f"protocol's settings, worse with {LR}=0.02."
    )


def test_one_spread_for_all_decides_nothing():
    """Paired differences without any spread are no test, as in tables."""
    [study] = of(
        runs('A', 50), runs('B', 45), runs('A', 44, 0.02), runs('B', 47, 0.02)
    )
    assert pairs(study) == {('A', 'B'): 'open: the seeds changed nothing'}
    assert study.answer == 'open' and study.changes[0].tau is None
    assert 'Whether the headline order holds is open' in sentence(study)


def test_a_planted_tie_is_a_tie_and_not_a_flip():
    [study] = of(
        runs('A', 50), runs('B', 45), runs('C', 40), runs('D', 40),
        runs('A', 44, 0.02), runs('B', 44, 0.02), runs('C', 39, 0.02),
        runs('D', 39, 0.02),
    )  # fmt: skip
    assert pairs(study) == {('A', 'B'): EQUAL, ('C', 'D'): EQUAL_BOTH}
    [change] = study.changes
    assert change.ties == 2 and change.flips == []
    # 4 concordant of 6 pairs; 1 tied in the first, 2 in the second
    assert change.tau == pytest.approx(4 / (5 * 4) ** 0.5)
    assert study.answer == 'holds within the spread over seeds'
    assert f'A and B with {LR}=0.02 ({EQUAL}).' in sentence(study)
    assert 'C and D' not in sentence(study)


def test_a_change_within_the_spread_is_a_tie():
    wide = (-2.0, 0.5, 1.5)
    [study] = of(
        runs('A', 50), runs('B', 49.9, spread=wide), runs('C', 40),
        runs('A', 44, 0.02), runs('B', 44.2, 0.02, spread=wide),
        runs('C', 39, 0.02),
    )  # fmt: skip
    assert pairs(study) == {('A', 'B'): TIE}
    assert study.changes[0].flips == []
    assert study.changes[0].tau == pytest.approx(1 / 3)
    assert sentence(study).startswith('In 1 other setting no flip is shown')


def test_less_is_better():
    """mCE: the lowest mean leads, and its answer is `better`."""
    common = dict(task='in_c', metric='mCE')
    [study] = of(
        runs('A', 50, **common), runs('B', 60, spread=(0, 0.1, 0.4), **common),
        runs('C', 70, **common),
        runs('A', 65, 0.02, **common),
        runs('B', 60, 0.02, spread=(0, 0.1, 0.4), **common),
        runs('C', 70, 0.02, **common),
    )  # fmt: skip
    assert headline_order(study).startswith('A 50.0, B 60.2, C 70.0')
    [flip] = study.changes[0].flips
    assert [study.labels[m] for m in flip.methods] == ['A', 'B']
    assert flip.first.answer == 'better' and flip.first.difference < 0


def test_one_seed_leaves_it_open():
    one = (0.0,)
    [study] = of(
        runs('A', 50, spread=one), runs('B', 45, spread=one),
        runs('A', 44, 0.02, spread=one), runs('B', 47, 0.02, spread=one),
    )  # fmt: skip
    assert pairs(study) == {('A', 'B'): 'open: one seed'}
    assert study.answer == 'open' and study.seeds == []


def test_three_settings_and_who_is_not_covered():
    found = of(
        runs('A', 50), runs('B', 45), runs('C', 40),
        runs('A', 51, 0.02), runs('B', 46, 0.02), runs('C', 41, 0.02),
        runs('A', 52, 0.04), runs('C', 42, 0.04), runs('D', 60, 0.04),
    )  # fmt: skip
    [study] = found
    assert [
        (c.first.name, c.second.name, len(c.methods), c.tau)
        for c in study.changes
    ] == [
        (OWN, f'{LR}=0.02', 3, 1.0),
        (OWN, f'{LR}=0.04', 2, None),
        (f'{LR}=0.02', f'{LR}=0.04', 2, None),
    ]
    assert study.answer == 'holds'
    assert sentence(study) == (
        'The headline order holds in 2 other settings: no pair turns.'
    )
    assert [(study.labels[m], name) for m, name in study.not_covered] == [
        ('D', f'{LR}=0.04')
    ]


def test_recipe_and_training_are_settings():
    more = dict(extra=dict(recipe='two_fc'), config_sha256=sha('r'))
    records = [
        *runs('A', 50), *runs('B', 45), *runs('A', 51, **more),
        *runs('B', 46, **more), *runs('A', 60, trained='last:1'),
        *runs('B', 50, trained='last:1'),
    ]  # fmt: skip
    records = [dict(r, run_id=f'r{i}') for i, r in enumerate(records)]
    [study] = of(records)
    assert [c.name for c in study.conditions] == [
        OWN,
        'recipe two_fc',
        'train last:1',
    ]
    assert [c.first.varies(c.second) for c in study.changes] == [
        ['recipe'],
        ['train'],
        ['recipe', 'train'],
    ]


def test_single_seeds_are_compared():
    [study] = of(
        runs('A', 50, spread=(0, 1, 2)),
        runs('B', 50.5, spread=(0, 0, 0.4)),
        runs('C', 40, spread=(0, 0.1, 0.2)),
    )
    assert study.changes == []
    [seeds] = study.seeds
    assert seeds.seeds == [0, 1, 2]
    assert seeds.taus == pytest.approx(
        {(0, 1): 1 / 3, (0, 2): 1 / 3, (1, 2): 1.0}
    )
    [pair] = seeds.pairs
    assert [study.labels[m] for m in pair.methods] == ['A', 'B']
    assert (pair.ahead, pair.equal, pair.behind) == (2, 0, 1)
    assert pair.answer.answer == 'undecided'


def test_other_pretraining_is_a_study_of_its_own():
    """Methods without epochs are in all of them; the rest by epochs."""
    found = of(
        runs('A', 50), runs('B', 45, spread=(-0.2, 0, 0.1)),
        runs('A', 55, epochs=800),
        runs('B', 59, epochs=800, spread=(-0.2, 0, 0.1)),
        runs('Random init', 20, epochs=None),
    )  # fmt: skip
    study = next(s for s in found if s.kind == 'pretraining')
    assert [c.name for c in study.conditions] == ['800 epochs', '200 epochs']
    [change] = study.changes
    assert len(change.methods) == 3 and change.tau == pytest.approx(1 / 3)
    [flip] = change.flips
    assert flip.verdict == FLIP
    assert 'B is better than A with 800 epochs' in sentence(study)


def test_rows_of_no_pretraining_are_not_compared_with_themselves():
    """Two methods of other epochs, and random networks that both share."""
    found = of(
        runs('A', 50, backbone='vit-tiny'), runs('B', 45, epochs=800),
        *(
            runs('Random init', mean, epochs=None, backbone=name)
            for name, mean in (('resnet18', 20), ('vit', 19), ('swin', 18))
        ),
    )  # fmt: skip
    assert {s.kind for s in found} == {'settings'}


def test_backbones_alone_and_together():
    found = of(
        runs('A', 50, backbone='vit-tiny'), runs('B', 45),
        runs('A', 44, 0.02, backbone='vit-tiny'), runs('B', 47, 0.02),
        runs('C', 40), runs('C', 40, 0.02),
    )  # fmt: skip
    assert [s.backbone for s in found] == ['ResNet-18', 'all backbones']
    assert found[0].answer == 'holds' and found[1].answer == 'open'
    assert pairs(found[1]) == {('A', 'B'): 'open: the seeds changed nothing'}


def test_tasks_are_compared():
    found = of(
        runs('A', 50), runs('B', 45), runs('C', 40),
        *(
            runs(method, mean, task='mini_seg_fcn', metric='mIoU')
            for method, mean in (('A', 30), ('B', 25), ('C', 28))
        ),
    )  # fmt: skip
    study = found[-1]
    assert study.kind == 'tasks' and study.backbone == 'ResNet-18'
    [change] = study.changes
    assert {change.first.name, change.second.name} == {
        'mini_seg_fcn',
        'mini_knn',
    }
    assert change.tau == pytest.approx(1 / 3)


def test_same_settings_under_other_hashes_have_names():
    """Records of two versions of a config are two settings."""
    [study] = of(
        runs('A', 50), runs('B', 45), runs('C', 44),
        [dict(r, config_sha256=sha('new'), run_id='new' + r['run_id'])
         for r in runs('A', 50) + runs('B', 51)],
    )  # fmt: skip
    assert [c.name for c in study.conditions] == [
        f'{OWN}; config {sha("mini_knn")[:8]}',
        f'{OWN}; config {sha("new")[:8]}',
    ]


def test_nothing_varies():
    with pytest.raises(UserError, match='nothing to compare.*--cfg-options'):
        of(runs('A', 50, spread=(0,)), runs('B', 45, spread=(0,)))
    with pytest.raises(UserError, match='nothing to compare'):
        of(runs('A', 50), runs('A', 50, 0.02))


@pytest.fixture
def flipped():
    hostile = '=<b>|B\x1b[31m'
    return sum(
        [
            runs('A', 50), runs('B', 45, spread=OTHER), runs('C', 40),
            runs('A', 44, 0.02), runs('B', 47, 0.02, spread=OTHER),
            runs('C', 40, 0.02),
        ],
        [],
    ), hostile  # fmt: skip


@pytest.fixture
def folder(tmp_path, flipped):
    records, hostile = flipped
    for record in records:
        if record['method'] == 'B':
            record = dict(record, method=hostile)
        write_record(tmp_path / 'runs' / record['run_id'], record)
    return tmp_path / 'runs'


def test_the_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '120')
    assert main(['leaderboard', str(folder), '--sensitivity']) in (0, 3)
    shown = capsys.readouterr().out
    assert 'The headline order does not hold. A is better than' in shown
    assert '0.33' in shown and '\x1b[31m' not in shown
    words = ['leaderboard', str(folder), '--sensitivity', '--details']
    assert main(words) in (0, 3)
    assert 'flip' in capsys.readouterr().out


def test_the_terminal_has_one_screen_with_what_breaks_first(
    folder, tmp_path, capsys, monkeypatch
):
    """The tables were hundreds of lines, and the answer was below them."""
    monkeypatch.setenv('COLUMNS', '80')
    monkeypatch.setenv('LINES', '24')
    methods = [(f'M{i}', '', i) for i in range(12)]
    for record in suite(methods, METRICS):
        write_record(tmp_path / record['run_id'], record)
    words = ['leaderboard', str(folder), str(tmp_path), '--sensitivity']
    assert main(words) == 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24 and max(map(cell_len, lines)) <= 80
    assert lines[0] == 'Whether rankings hold: 1 does not hold'
    assert lines[1].startswith('- Other settings: Mini kNN (mini_knn), top1')
    assert any('more: --details' in line for line in lines)
    assert main([*words, '--details']) == 3
    assert len(capsys.readouterr().out.splitlines()) > 100


def test_one_setting_is_called_single_seeds():
    found = of(
        runs('A', 50), runs('B', 49.9, spread=OTHER),
        runs('A', 30, task='mini_seg_fcn', metric='mIoU'),
        runs('B', 25, task='mini_seg_fcn', metric='mIoU'),
    )  # fmt: skip
    texts = [
        [part.text for cell in row for part in cell]
        for row in grids(found)[0].body
    ]
    assert [row[0] for row in texts] == ['Single seeds'] * 2
    assert all(row[-4:] == ['-', '-', '-', '-'] for row in texts)
    page = render(found, [], 'html')
    assert '<th class="text">the first one is</th>' in page


def test_the_files(folder, tmp_path, capsys):
    for ending in ('csv', 'md', 'tex', 'json', 'html'):
        path = tmp_path / f'x.{ending}'
        for _ in range(2):  # an earlier one is replaced
            words = ['leaderboard', str(folder), '--sensitivity', '-o']
            assert main([*words, str(path)]) in (0, 3)
    capsys.readouterr()
    table = list(csv.DictReader(io.StringIO((tmp_path / 'x.csv').read_text())))
    [flip] = [line for line in table if line['verdict'] == 'flip']
    assert flip['method'] == 'A' and flip['other'].startswith("'=<b>")
    assert float(flip['first_diff']) == pytest.approx(4.966666667)
    assert float(flip['second_diff']) == pytest.approx(-3.033333333)
    assert flip['varies'] == LR and flip['task'] == 'mini_knn'
    [ranking] = [
        line
        for line in table
        if line['row'] == 'ranking' and line['varies'] == LR
    ]
    assert float(ranking['tau']) == pytest.approx(1 / 3)
    [study] = json.loads((tmp_path / 'x.json').read_text())['studies']
    assert study['headline']['answer'] == 'does not hold'
    assert study['comparisons'][0]['pairs'][0]['verdict'] == 'flip'
    page = (tmp_path / 'x.html').read_text()
    assert '<b>|B' not in page and '&lt;b&gt;|B' in page
    assert 'does not hold' in page
    assert '&lt;b&gt;\\|B' in (tmp_path / 'x.md').read_text()
    # neither replaces the other
    path = tmp_path / 'x.csv'
    assert main(['leaderboard', str(folder), '-o', str(path)]) == 2
    assert 'is there already' in capsys.readouterr().err


def test_wrong_options(folder, tmp_path, capsys):
    for words, message in (
        (['--tasks', 'mini_kn'], 'mini_knn'),
        (['--baseline', 'A'], 'leave out --baseline'),
        (['--paper', 'insloc'], 'leave out --paper'),
        (['--methods', 'A'], 'nothing to compare'),
    ):
        words = ['leaderboard', str(folder), '--sensitivity', *words]
        assert main(words) == 2
        err = capsys.readouterr().err
        assert message in err and err.count('\n') == 1


def test_the_same_records_give_the_same_bytes(flipped):
    records, _ = flipped
    texts = {
        render(of(list(order)), [], name)
        for order in (records, records[::-1])
        for name in ('csv',)
    }
    assert len(texts) == 1
