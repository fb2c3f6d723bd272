"""Records: what is accepted, what is refused and how it is said."""

import json

import pytest

from ssl_bench.errors import UserError
from ssl_bench.results import (
    make_run_id,
    read_records,
    scan,
    validate,
    write_record,
)
from tests.results.factory import make_record, sha


def test_written_is_read_back(tmp_path):
    record = make_record(changes=['SyncBN -> BN'], extra={'k': 20})
    written = write_record(tmp_path / 'a', record)
    assert (tmp_path / 'a').is_file() is False
    assert read_records(tmp_path) == [written]
    assert {k: written[k] for k in record} == record
    assert len(written['record_sha256']) == 64


def test_defaults_are_filled_in(tmp_path):
    record = make_record()
    expected = record['run_id']
    for name in ('schema', 'run_id', 'status'):
        del record[name]
    written = write_record(tmp_path / 'result.json', record)
    assert written['run_id'] == expected
    assert (written['schema'], written['status']) == (1, 'completed')


def test_run_id_depends_on_every_part():
    base = ('MoCo v2', 'x', 'mini_knn', 0, sha('c'), sha('k'))
    others = [
        base[:i] + (new,) + base[i + 1 :]
        for i, new in enumerate(
            ('PixPro', 'y', 'mini_linear', 1, sha('d'), None)
        )
    ]
    ids = {make_run_id(*parts) for parts in [base, *others]}
    assert len(ids) == 7
    assert make_run_id(*base) == make_run_id(*base)
    assert make_run_id(*base).startswith('moco-v2-x_mini_knn_s0_')


def nested(group, name, value):
    """Change one nested field of a valid record."""
    record = make_record()
    record[group] = {**record[group], name: value}
    return record


@pytest.mark.parametrize(
    'record, message',
    [
        (make_record(schema=2), 'unknown schema version 2; .* reads schema 1'),
        (make_record(task='mini_kn n'), "unknown task 'mini_kn n'"),
        (make_record(task='voc0712_det_c5'), 'Did you mean voc0712_det_c4'),
        (make_record(metrics={'bbox_ap': 1.0}), "unknown metric 'bbox_ap'"),
        (make_record(metrics={}) | {'metrics': {}}, 'number or more'),
        (make_record(metrics={'top1': float('nan')}), r'0\.\.100 .* nan'),
        (make_record(metrics={'top1': 100.5}), r'0\.\.100 .* 100.5'),
        (make_record(metrics={'top1': True}), 'must be a number, got True'),
        (make_record(metrics={'top1': -1.0}), r'0\.\.100 .* -1\.0'),
        (make_record(seed=-1), 'seed must be a whole number >= 0, got -1'),
        (make_record(seed=1.5), 'seed must be a whole number'),
        (make_record(method=''), 'method is empty'),
        (make_record(run_id='../x'), 'run_id'),
        (make_record(config_sha256='abc'), '64 hexadecimal digits'),
        (make_record(status='failed'), 'must be "completed", got \'failed\''),
        (make_record(versions=['torch']), 'versions must map'),
        (make_record(started='yesterday'), 'ISO 8601'),
        (make_record(finished='2025-01-01'), 'is before started'),
        (make_record(finised=1), 'finised is not a field'),
        (make_record(changes='none'), 'list of texts'),
        (make_record(extra=[]), 'extra must be an object'),
        (make_record(cost=None), 'cost must be an object'),
        (nested('pretrain', 'source', 'bought'), 'measured'),
        (nested('pretrain', 'checkpoint_sha256', 'x'), 'checkpoint_sha256'),
        (nested('cost', 'gpu_hours', float('inf')), 'number >= 0'),
        (nested('data', 'images', 'many'), 'data.images'),
        ([], 'a record is an object, got list'),
    ],
)
def test_invalid_is_named(record, message):
    with pytest.raises(UserError, match=message):
        validate(record)


@pytest.mark.parametrize('name', sorted(make_record().keys() - {'schema'}))
def test_each_field_is_needed(name):
    record = make_record()
    del record[name]
    with pytest.raises(UserError, match=f'{name} is missing'):
        validate(record)


def test_the_cost_of_a_pretraining_is_optional():
    record = make_record()
    validate(record)
    record['pretrain']['cost']['train_seconds'] = None
    record['pretrain']['cost'].pop('device')
    validate(record)
    record['pretrain']['cost']['gpu_hours'] = -1.0
    with pytest.raises(
        UserError, match=r'pretrain\.cost\.gpu_hours must be a number >= 0'
    ):
        validate(record)
    record['pretrain'].pop('cost')  # an older record, and an imported one
    validate(record)


def test_null_means_not_known():
    record = make_record()
    for group in ('hardware', 'cost', 'data'):
        record[group] = dict.fromkeys(record[group])
    record['pretrain'] = dict.fromkeys(record['pretrain'], None)
    record['pretrain']['source'] = 'imported'
    validate(record)
    del record['cost']['gpu_hours']
    with pytest.raises(UserError, match='cost.gpu_hours is missing'):
        validate(record)


def without_digest(data):
    record = json.loads(data)
    del record['record_sha256']
    return record


def spoil(tmp_path, change):
    """Write a record and change its text; returns the problems found."""
    write_record(tmp_path / 'good', make_record(seed=1))
    write_record(tmp_path / 'bad', make_record(seed=2))
    path = tmp_path / 'bad' / 'result.json'
    path.write_bytes(change(path.read_bytes()))
    stored, problems = scan([tmp_path])
    assert [s.record['seed'] for s in stored] == [1]
    assert [p.paths for p in problems] == [(str(path),)]
    return problems[0].message


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda data: data[:200], 'not readable as JSON'),
        (lambda data: b'', 'not readable as JSON'),
        (lambda data: data.replace(b'48.0', b'58.0'), 'changed after'),
        (lambda data: data.replace(b'48.0', b'NaN'), 'NaN is not a number'),
        (
            lambda data: data.replace(b'"schema": 1', b'"schema": 9'),
            'version 9',
        ),
        (
            lambda data: data.replace(b'"seed": 2', b'"seed": 2, "seed": 3'),
            "'seed' is there twice",
        ),
        (lambda data: b'\xff\xfe' + data, 'not UTF-8'),
        (
            lambda data: json.dumps(
                {**without_digest(data), 'extra': dict(recipe=['mae'])}
            ).encode(),
            "extra.recipe must be a text, got ['mae']",
        ),
        (
            lambda data: json.dumps(
                {**without_digest(data), 'pretrain': 'x' * 9000}
            ).encode(),
            ' ... ',  # a long value in the message is cut
        ),
        (lambda data: b'[' * 100000, 'not readable as JSON'),
        (lambda data: b' ' * (1 << 20) + data, 'larger than'),
    ],
)
def test_spoilt_file_is_named_and_left_out(tmp_path, change, message):
    assert message in spoil(tmp_path, change)


def test_record_without_digest_is_accepted(tmp_path):
    (tmp_path / 'result.json').write_text(json.dumps(make_record()))
    assert read_records([tmp_path]) == [make_record()]


def test_folders_are_searched_once(tmp_path):
    write_record(tmp_path / 'a' / 'b', make_record())
    stored, problems = scan(
        [tmp_path, tmp_path / 'a', tmp_path / 'a' / 'b' / 'result.json']
    )
    assert len(stored) == 1 and problems == []


def test_absent_and_empty_folders(tmp_path):
    (tmp_path / 'empty').mkdir()
    stored, problems = scan([tmp_path / 'empty', tmp_path / 'gone'])
    assert stored == []
    assert [p.kind for p in problems] == ['empty', 'missing']
    assert read_records([tmp_path / 'gone']) == []
    found = []
    assert read_records([tmp_path / 'gone'], found) == []
    assert [p.kind for p in found] == ['missing']


def test_unusable_file_raises_without_a_list(tmp_path):
    (tmp_path / 'result.json').write_text('{')
    with pytest.raises(UserError, match='result.json'):
        read_records(tmp_path)


def test_unwritable_place(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot write'):
        write_record(tmp_path / 'file' / 'result.json', make_record())


def test_invalid_record_leaves_no_file(tmp_path):
    with pytest.raises(UserError, match='seed'):
        write_record(tmp_path / 'run', make_record(seed=-1))
    assert not list(tmp_path.iterdir())


def test_a_number_that_is_no_float_is_refused():
    """Of a task that is not installed, whose range nobody knows."""
    with pytest.raises(UserError, match='too many digits'):
        validate(make_record(task='of_another', metrics=dict(x=10**400)))
