"""Signed corrections next to a record."""

import json
import zipfile

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results import scan
from ssl_bench.results.board import build
from ssl_bench.results.bundle import export_bundle, import_bundle
from ssl_bench.results.record import write_record
from tests.results.factory import make_record

SIGNED = ('--by', 'A. Reader', '--why', 'README of the release')


@pytest.fixture
def path(tmp_path):
    record = make_record('PixPro', task='voc0712_det_c4', epochs=None)
    record['pretrain']['data'] = None
    write_record(tmp_path / 'runs/a', record)
    return tmp_path / 'runs/a/result.json'


def annotate(path, *meta, signed=SIGNED):
    return main(
        ['leaderboard', 'annotate', str(path), '--meta', *meta, *signed]
    )


def values(folder):
    rows = build(scan([folder])[0], published='own').rows
    return {row.metric: row.published and row.published.value for row in rows}


def test_a_completed_record_meets_its_number(path, capsys):
    assert values(path.parent) == dict.fromkeys(
        ('bbox_AP', 'bbox_AP50', 'bbox_AP75')
    )
    before = path.read_bytes()
    assert annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100') == 0
    assert 'result.corrections.json' in capsys.readouterr().err
    assert path.read_bytes() == before
    assert values(path.parent)['bbox_AP'] == 58.8
    # a second one comes on top; both are kept with their reasons
    assert annotate(path.parent, 'pretrain_epochs=400') == 0
    assert values(path.parent)['bbox_AP'] == 60.2
    (item,) = scan([path.parent])[0]
    assert [entry['before'] for entry in item.corrections] == [
        dict(pretrain_data=None, pretrain_epochs=None),
        dict(pretrain_epochs=100),
    ]
    assert {entry['by'] for entry in item.corrections} == {'A. Reader'}
    assert item.corrections[0]['why'] == 'README of the release'
    assert item.original['pretrain']['data'] is None


@pytest.mark.parametrize(
    'meta, message',
    [
        ('pretrain_epoch=100', "unknown header field 'pretrain_epoch'"),
        ('bbox_AP=99', 'bbox_AP is measured'),
        ('seed=3', 'seed is measured'),
        ('metrics=1', 'metrics is measured'),
        ('departures=', 'departures is measured'),
        ('pretrain_epochs=many', 'expected a whole number'),
        ('pretrain_data', 'expected KEY=VALUE'),
        ('method=', 'not a valid correction: method is empty'),
    ],
)
def test_what_cannot_be_corrected(path, capsys, meta, message):
    assert annotate(path, meta) == 2
    assert message in capsys.readouterr().err
    assert [file.name for file in path.parent.iterdir()] == ['result.json']


def test_it_is_signed(path, capsys):
    assert annotate(path, 'pretrain_data=IN1K', signed=('--by', 'me')) == 2
    assert 'add --why TEXT' in capsys.readouterr().err
    assert annotate(path, 'pretrain_data=IN1K', signed=('--why', 'x')) == 2
    assert 'add --by NAME' in capsys.readouterr().err
    assert main(['leaderboard', str(path.parent), '--by', 'me']) == 2
    assert 'are of: ssl-bench leaderboard annotate' in capsys.readouterr().err
    assert main(['leaderboard', 'annotate']) == 2
    assert 'name one record' in capsys.readouterr().err


def test_what_a_pretraining_counted_stays(tmp_path, capsys):
    record = make_record('PixPro', task='voc0712_det_c4', epochs=100)
    record['pretrain'].update(
        data='custom: mine (4 images)', fingerprint='0' * 64
    )
    write_record(tmp_path / 'a', record)
    assert annotate(tmp_path / 'a', 'pretrain_data=IN1K') == 2
    assert 'as the pretraining itself recorded' in capsys.readouterr().err


def test_corrections_travel_in_a_bundle(path, tmp_path):
    annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100')
    assert export_bundle([path.parent], tmp_path / 'r.zip') == (1, [])
    for _ in range(2):
        import_bundle(tmp_path / 'r.zip', tmp_path / 'other')
        assert values(tmp_path / 'other')['bbox_AP'] == 58.8


@pytest.mark.parametrize(
    'change, reason',
    [
        (dict(record_sha256='0' * 64), 'of another record'),
        (dict(schema=2), 'unknown schema 2'),
        (dict(corrections=[dict(meta=dict(seed=1))]), 'not signed'),
        (dict(corrections='abc'), 'must be a list, got abc'),
        (dict(corrections=[3]), 'one must be an object'),
        (dict(corrections=[dict(by='a', when='b', why='c')]), '"meta"'),
        (
            dict(
                corrections=[
                    dict(meta=dict(method=3), by='a', when='b', why='c')
                ]
            ),
            'method must be a text, got 3',
        ),
        (
            dict(
                corrections=[
                    dict(meta=dict(bbox_AP=99), by='a', when='b', why='c')
                ]
            ),
            'bbox_AP is measured',
        ),
    ],
)
def test_an_unusable_correction_is_named_and_left_out(path, change, reason):
    annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100')
    file = path.with_name('result.corrections.json')
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    stored, problems = scan([path.parent])
    assert [p.kind for p in problems] == ['unusable correction']
    assert reason in problems[0].message
    assert stored[0].record['pretrain']['data'] is None


@pytest.mark.parametrize('text', ['[' * 100_000, '{}', '', '[]'])
def test_corrections_that_are_no_such_file(path, text):
    path.with_name('result.corrections.json').write_text(text)
    stored, problems = scan([path.parent])
    assert [p.kind for p in problems] == ['unusable correction']
    assert stored[0].corrections == []


def test_meta_in_two_words_is_kept_whole(path):
    assert annotate(path, 'method=A', '--meta', 'variant=B') == 0
    (item,) = scan([path.parent])[0]
    assert (item.record['method'], item.record['variant']) == ('A', 'B')


def test_what_could_not_be_read_again_is_not_written(path, capsys):
    assert annotate(path, f'variant={"x" * (1 << 20)}') == 2
    assert 'write shorter values' in capsys.readouterr().err
    assert annotate(path, f'pretrain_epochs={"9" * 5000}') == 2
    assert 'expected a whole number' in capsys.readouterr().err
    assert [file.name for file in path.parent.iterdir()] == ['result.json']


def test_a_newer_correction_of_a_bundle_is_added(path, tmp_path):
    """It used to be left out where there was an older one."""
    there = tmp_path / 'other'
    annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100')
    export_bundle([path.parent], tmp_path / 'old.zip')
    import_bundle(tmp_path / 'old.zip', there)
    annotate(path, 'pretrain_epochs=400')
    export_bundle([path.parent, there], tmp_path / 'new.zip')
    for name in ('new.zip', 'old.zip'):
        assert import_bundle(tmp_path / name, there) == (0, 1, [])
        assert values(there)['bbox_AP'] == 60.2
    assert values(tmp_path)['bbox_AP'] == 60.2
    # others than in the bundle stay, and are named
    (own,) = there.glob('*/result.json')
    annotate(own, 'variant=mine')
    annotate(path, 'variant=yours')
    export_bundle([path.parent], tmp_path / 'new.zip')
    _, _, problems = import_bundle(tmp_path / 'new.zip', there)
    assert [p.kind for p in problems] == ['conflict']
    assert 'other corrections than in the bundle' in problems[0].message
    assert scan([there])[0][0].record['variant'] == 'mine'


def test_an_older_copy_does_not_hide_a_correction(path, tmp_path):
    copy = tmp_path / 'z/result.json'
    write_record(copy, scan([path])[0][0].record)
    annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100')
    assert values(tmp_path)['bbox_AP'] == 58.8
    export_bundle([tmp_path], tmp_path / 'r.zip')
    import_bundle(tmp_path / 'r.zip', tmp_path / 'new')
    assert values(tmp_path / 'new')['bbox_AP'] == 58.8


def test_a_bundle_with_an_unusable_correction_is_refused(path, tmp_path):
    annotate(path, 'pretrain_data=IN1K')
    bundle = tmp_path / 'r.zip'
    export_bundle([path.parent], bundle)
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files['manifest.json'])
    manifest['records'][0]['corrections'][0]['meta'] = dict(method=None)
    files['manifest.json'] = json.dumps(manifest).encode()
    with zipfile.ZipFile(bundle, 'w') as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match='unusable correction: .*method must'):
        import_bundle(bundle, tmp_path / 'new')
    assert not (tmp_path / 'new').exists()


def test_an_earlier_run_says_how_to_complete_its_record(path):
    from types import SimpleNamespace

    from ssl_bench.cli.transfer import other_fields

    (item,) = scan([path.parent])[0]
    outcome = SimpleNamespace(record=item.record, fresh=False, folder='runs/a')
    known = dict(data='IN1K', epochs=100)
    source = SimpleNamespace(pretrain=lambda: known)
    (note,) = other_fields(outcome, source)
    assert (
        'annotate runs/a --meta pretrain_data=IN1K pretrain_epochs=100' in note
    )
    annotate(path, 'pretrain_data=IN1K', 'pretrain_epochs=100')
    outcome.record = scan([path.parent])[0][0].record
    assert other_fields(outcome, source) == []
