"""Bundles: what goes in comes out, and nothing else gets in."""

import hashlib
import json
import stat
import zipfile

import pytest

from ssl_bench.errors import UserError
from ssl_bench.results import bundle, read_records, scan, write_record
from ssl_bench.results.bundle import export_bundle, import_bundle, read_bundle
from tests.results.factory import make_record


@pytest.fixture
def packed(tmp_path):
    for seed in range(3):
        write_record(tmp_path / 'runs' / str(seed), make_record(seed=seed))
    (tmp_path / 'runs' / '0' / 'weights.pth').write_bytes(b'x' * 100)
    count, problems = export_bundle([tmp_path / 'runs'], tmp_path / 'b.zip')
    assert (count, problems) == (3, [])
    return tmp_path / 'b.zip'


def by_id(records):
    return {record['run_id']: record for record in records}


def test_round_trip(packed, tmp_path):
    assert import_bundle(packed, tmp_path / 'in') == (3, 0, [])
    assert by_id(read_records(tmp_path / 'in')) == by_id(
        read_records(tmp_path / 'runs')
    )
    assert import_bundle(packed, tmp_path / 'in') == (0, 3, [])


def test_holds_records_and_a_manifest_only(packed):
    names = zipfile.ZipFile(packed).namelist()
    assert names[0] == 'manifest.json' and len(names) == 4
    assert all(name.startswith('records/') for name in names[1:])


def test_same_records_same_bytes(packed, tmp_path):
    export_bundle([tmp_path / 'runs' / s for s in '210'], tmp_path / 'c.zip')
    assert (tmp_path / 'c.zip').read_bytes() == packed.read_bytes()


def test_bad_records_are_named_and_left_out(packed, tmp_path):
    (tmp_path / 'runs' / '1' / 'result.json').write_text('{')
    count, problems = export_bundle([tmp_path / 'runs'], tmp_path / 'd.zip')
    assert count == 2 and len(problems) == 1
    with pytest.raises(UserError, match='nothing to export'):
        export_bundle([tmp_path / 'none'], tmp_path / 'e.zip')


def test_conflict_is_kept_next_to_it(packed, tmp_path):
    mine = make_record(seed=1, metrics={'top1': 1.0})
    write_record(tmp_path / 'in' / 'mine', mine)
    written, skipped, problems = import_bundle(packed, tmp_path / 'in')
    assert (written, skipped) == (3, 0)
    assert [p.kind for p in problems] == ['conflict']
    assert mine['run_id'] in problems[0].message
    stored, _ = scan([tmp_path / 'in'])
    values = [
        s.record['metrics']['top1'] for s in stored if s.record['seed'] == 1
    ]
    assert sorted(values) == [1.0, 48.0]


def repack(path, target, change):
    """Copy a bundle with changed members: name to bytes."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members)
    with zipfile.ZipFile(target, 'w') as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target


def one(members):
    return next(name for name in members if name.startswith('records/'))


def edited(members):
    name = one(members)
    members[name] = members[name].replace(b'48.0', b'58.0')
    return members


def edited_with_manifest(members):
    """The record's digest shows an edit even if the manifest was fixed."""
    name = one(members)
    data = members.pop(name).replace(b'48.0', b'58.0')
    sha = hashlib.sha256(data).hexdigest()
    members[f'records/{sha}.json'] = data
    text = members['manifest.json'].decode().replace(name[8:-5], sha)
    return {**members, 'manifest.json': text.encode()}


def extra(name, data=b'{}'):
    return lambda members: {**members, name: data}


def manifest(**changes):
    def change(members):
        content = {**json.loads(members['manifest.json']), **changes}
        return {**members, 'manifest.json': json.dumps(content).encode()}

    return change


@pytest.mark.parametrize(
    'change, message',
    [
        (edited, 'was changed: its SHA-256'),
        (edited_with_manifest, 'changed after it was written'),
        (extra('../evil.json'), "'../evil.json' does not belong"),
        (extra('/etc/evil'), 'does not belong'),
        (extra('records/../../x.json'), 'does not belong'),
        (extra('run.py', b'print()'), "'run.py' does not belong"),
        (extra(f'records/{"0" * 64}.json'), 'or in the manifest only'),
        (
            lambda m: {k: v for k, v in m.items() if k != one(m)},
            'or in the manifest only',
        ),
        (
            lambda m: {k: v for k, v in m.items() if k != 'manifest.json'},
            'no manifest.json',
        ),
        (extra('manifest.json', b'[]'), 'manifest.json is damaged'),
        (extra('manifest.json', b'{'), 'manifest.json is damaged'),
        (manifest(schema=2), 'this version reads'),
        (manifest(format='zip'), 'this version reads'),
        (manifest(records=[dict(sha256='x')]), 'damaged'),
        (extra(f'records/{"1" * 64}.json', b' ' * (1 << 21)), 'limit'),
    ],
)
def test_foreign_content_is_refused(packed, tmp_path, change, message):
    bad = repack(packed, tmp_path / 'bad.zip', change)
    with pytest.raises(UserError, match=message):
        import_bundle(bad, tmp_path / 'in')
    assert not (tmp_path / 'in').exists()


def test_wrong_run_id_in_the_manifest(packed, tmp_path):
    entries = json.loads(zipfile.ZipFile(packed).read('manifest.json'))
    entries['records'][0]['run_id'] = 'other'
    bad = repack(
        packed, tmp_path / 'bad.zip', manifest(records=entries['records'])
    )
    with pytest.raises(UserError, match="the manifest says 'other'"):
        read_bundle(bad)


def test_links_and_doubles_are_refused(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        name = archive.namelist()[1]
    info = zipfile.ZipInfo(f'records/{"2" * 64}.json')
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, 'a') as archive:
        archive.writestr(info, '/etc/passwd')
    with pytest.raises(UserError, match='is a link or encrypted'):
        read_bundle(packed)
    with zipfile.ZipFile(packed, 'a') as archive, pytest.warns(UserWarning):
        archive.writestr(name, b'{}')
    with pytest.raises(UserError, match='contains a file twice'):
        read_bundle(packed)


def test_limits_on_the_whole(packed, monkeypatch):
    monkeypatch.setattr(bundle, 'MAX_RECORDS', 2)
    with pytest.raises(UserError, match='at most 2 records'):
        read_bundle(packed)
    monkeypatch.setattr(bundle, 'MAX_RECORDS', 9)
    monkeypatch.setattr(bundle, 'MAX_TOTAL', 100)
    with pytest.raises(UserError, match='unpacks to more than 100'):
        read_bundle(packed)


@pytest.mark.parametrize('data', [b'', b'PK', b'no zip at all' * 9])
def test_what_is_no_zip(tmp_path, data):
    (tmp_path / 'x.zip').write_bytes(data)
    with pytest.raises(UserError, match='not a readable zip'):
        read_bundle(tmp_path / 'x.zip')
    with pytest.raises(UserError, match='not a readable zip'):
        read_bundle(tmp_path / 'absent.zip')


def test_damaged_in_the_middle(packed):
    data = bytearray(packed.read_bytes())
    for i in range(len(data) // 3, len(data) // 3 + 40):
        data[i] ^= 0xFF
    packed.write_bytes(bytes(data))
    with pytest.raises(UserError, match='b.zip'):
        read_bundle(packed)
