"""What is wrong with files of others is named; the rest is shown."""

import contextlib
import io
import json
import os
import re
import stat
import struct
import warnings
import zipfile
import zlib

import pytest

from ssl_bench import cli
from ssl_bench.results import write_record
from ssl_bench.results.bundle import export_bundle
from ssl_bench.results.curves import find_curves
from ssl_bench.results.pictures import find_pictures
from ssl_bench.results.store import scan
from tests.results.factory import make_record, sha

FORMATS = ('csv', 'md', 'latex', 'json')


@pytest.fixture
def runs(tmp_path):
    """A folder with three good records of one row."""
    for seed in range(3):
        write_record(tmp_path / 'runs' / f'good{seed}', make_record(seed=seed))
    return tmp_path / 'runs'


def leaderboard(*words):
    """Exit code, standard output and standard error of the command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(['leaderboard', *map(str, words)])
    return code, out.getvalue(), err.getvalue()


def check_named(runs, name, message):
    """The good records are read, and one line names the bad file."""
    stored, problems = scan([runs])
    assert sum('good' in item.path for item in stored) == 3
    [problem] = [p for p in problems if name in str(p)]
    assert re.search(message, str(problem)), problem
    assert len(str(problem)) < 2500 and printable_text(str(problem))


def check_outputs(runs, bad):
    """Every output has the good row and the names, and is text."""
    for kind in FORMATS:
        code, text, err = leaderboard(
            runs, '--published', 'none', '--details', '--format', kind
        )
        assert code == 3 and 'MoCo v2' in text and printable_text(text)
        named = re.findall('^warning: un.*', err, re.MULTILINE)
        assert len(named) == bad and printable_text(err), err
    page = runs.parent / 'page.html'
    code, out, _ = leaderboard(runs, '-o', page, '--published', 'none')
    assert code == 3 and 'MoCo v2' in out and printable_text(out)
    return page.read_text(encoding='utf-8')


def printable_text(text):
    text.encode()  # has no half characters
    return not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]', text)


def good(**changes):
    return json.dumps(make_record(seed=9, **changes)).encode()


def extra(value):
    """A record with a JSON text under ``extra``."""
    return good(extra=dict(x='HERE')).replace(b'"HERE"', value)


RECORDS = {
    '400 digits': (extra(b'1' * 400), 'has too many digits'),
    '400 digits in a metric': (
        good(task='of_another', metrics=dict(x=8)).replace(
            b'"x": 8', b'"x": ' + b'8' * 400
        ),
        'metrics.x has too many digits',
    ),
    '400 digits in a seed': (
        good().replace(b'"seed": 9', b'"seed": ' + b'9' * 400),
        'seed has too many digits',
    ),
    '5000 digits': (extra(b'1' * 5000), 'not readable as JSON'),
    '1e999': (extra(b'1e999'), 'must be a finite number, got inf'),
    '1e999 in a metric': (
        good().replace(b'48.0', b'1e999'),
        'metrics.top1 must be a finite number',
    ),
    'NaN': (extra(b'NaN'), 'NaN is not a number'),
    'brackets': (b'[' * 100_000, 'not readable as JSON'),
    'brackets inside': (
        extra(b'[' * 100_000 + b']' * 100_000),
        'not readable as JSON',
    ),
    '40 levels': (extra(b'[' * 40 + b']' * 40), 'is nested too deeply'),
    'half a character': (
        extra(rb'"\ud800"'),
        r'extra.x has half a character, got .\\ud800',
    ),
    'half a character in a name': (
        good(method='HERE').replace(b'HERE', rb'\ud800'),
        'has half a character',
    ),
    'half a character in a key': (
        extra(rb'{"\udfff": 1}'),
        'has half a character',
    ),
    'half a character in a field': (
        b'{"\\ud800": 1, ' + good()[1:],
        'has half a character',
    ),
    'half a character in a field, with a digest': (
        b'{"\\ud800": 1, "record_sha256": "", ' + good()[1:],
        'has half a character',
    ),
    'half a character in a metric': (
        good(task='of_another', metrics=dict(HERE=1.0)).replace(
            b'HERE', rb'\ud800'
        ),
        'metrics',
    ),
    'twice': (
        good().replace(b'"seed": 9', b'"seed": 9, "seed": 8'),
        "'seed' is there twice",
    ),
    'BOM': (b'\xef\xbb\xbf' + good(), 'not readable as JSON'),
    'UTF-16': (good().decode().encode('utf-16'), 'not UTF-8 text'),
    'Latin-1': (
        good(method='M\xe9').replace(b'\\u00e9', b'\xe9'),
        'not UTF-8',
    ),
    'zeros': (b'\0' * 4096, 'not readable as JSON'),
    'empty': (b'', 'not readable as JSON'),
    'cut': (good()[:-200], 'not readable as JSON'),
    'not an object': (b'[1]', 'a record is an object, got list'),
    '20,000 metrics': (
        good(task='of_another', metrics={f'm{i}': 1.0 for i in range(20_000)}),
        'metrics has 20000 numbers; at most 1000',
    ),
    'a device of Windows': (good(run_id='COM1.x'), 'run_id cannot be'),
    'a dot at the end': (good(run_id='run.'), 'run_id cannot be'),
    'a path': (good(run_id='../x'), 'run_id must be'),
    'a surrogate that is escaped twice': (
        b'{"schema": 1, "\\\\ud800": "\\ud800"}',
        'has half a character',
    ),
}


@pytest.mark.parametrize('kind', RECORDS)
def test_a_record(runs, kind):
    data, message = RECORDS[kind]
    (runs / 'bad').mkdir()
    (runs / 'bad' / 'result.json').write_bytes(data)
    check_named(runs, 'bad/result.json', message)


def test_all_records_at_once(runs):
    for number, (data, _) in enumerate(RECORDS.values()):
        (runs / f'bad{number}').mkdir()
        (runs / f'bad{number}' / 'result.json').write_bytes(data)
    check_outputs(runs, len(RECORDS))


def fifo(path):
    os.mkfifo(path)


def large(path):
    with open(path, 'wb') as file:
        file.truncate(100 << 20)


def not_allowed(path):
    path.touch()
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip('root may read everything')


ODD_FILES = {
    'folder': (os.mkdir, 'a folder, not a file'),
    'pipe': (fifo, 'not a regular file'),
    'device': (lambda path: path.symlink_to('/dev/zero'), 'not a regular'),
    'link to nothing': (
        lambda path: path.symlink_to('gone'),
        'No such file or directory',
    ),
    'link to itself': (
        lambda path: path.symlink_to(path),
        'Too many levels of symbolic links',
    ),
    '100 MB': (large, 'larger than 1048576 bytes'),
    'not allowed': (not_allowed, 'Permission denied'),
}


@pytest.mark.parametrize('kind', ODD_FILES)
def test_what_is_no_regular_file(runs, kind):
    make, message = ODD_FILES[kind]
    (runs / 'bad').mkdir()
    make(runs / 'bad' / 'result.json')
    check_named(runs, 'bad/result.json', message)


@pytest.mark.parametrize('kind', ['folder', 'pipe', 'device'])
def test_corrections_that_are_no_regular_file(runs, kind):
    make, _ = ODD_FILES[kind]
    make(runs / 'good0' / 'result.corrections.json')
    check_named(runs, 'good0/result.json', 'unusable correction')


def test_a_folder_that_cannot_be_listed(runs, monkeypatch):
    (runs / 'closed').mkdir()
    scandir = os.scandir

    def closed(path):
        if str(path).endswith('closed'):
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', closed)
    check_named(runs, '/closed', 'unreadable: Permission denied')


def test_a_file_that_vanishes_or_grows(runs, monkeypatch):
    (runs / 'bad').mkdir()
    path = runs / 'bad' / 'result.json'
    path.write_bytes(good())
    real = os.open

    def gone(name, *args, **more):
        if str(name) == str(path):
            raise FileNotFoundError(2, 'No such file or directory')
        return real(name, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'open', gone)
        check_named(runs, 'bad/result.json', 'unreadable: No such file')

    def grown(name, *args, **more):
        handle = real(name, *args, **more)
        if str(name) == str(path):
            os.truncate(path, 8 << 20)
        return handle

    monkeypatch.setattr(os, 'open', grown)
    check_named(runs, 'bad/result.json', 'larger than')


def test_names_of_folders_that_are_no_text(runs):
    for name in (b'caf\xe9', b'\xff\xfe', b'a\x1b[31mb\nc'):
        folder = os.path.join(os.fsencode(runs), name)
        os.makedirs(os.path.join(folder, b'vis_data'))
        os.mkdir(os.path.join(folder, b'kept'))
        for path, data in (
            (b'result.json', b'{'),
            (b'kept/result.json', good(method=f'Kept {name!r}')),
            (b'vis_data/scalars.json', b'{"loss": 1, "step": 1}\n' * 2),
            (b'grid_\xff.png', png(8, 8, bytes(25 * 8))),
        ):
            with open(os.path.join(folder, path), 'wb') as file:
                file.write(data)
    page = check_outputs(runs, 3)
    assert page.count('"caption":"grid \\\\udcff"') == 3
    assert len(scan([runs])[0]) == 6


# of a log or a picture next to the runs: only the page shows them
def media(runs, name, make):
    (runs / 'good0' / 'vis_data').mkdir()
    make(runs / 'good0' / 'vis_data' / name)
    _, bad_logs = find_curves([runs], [])
    [problem] = bad_logs + find_pictures([runs], []).problems
    assert name in str(problem) and printable_text(str(problem))
    return str(problem)


def content(data):
    return lambda path: path.write_bytes(data)


@pytest.mark.parametrize(
    'make, message',
    [
        (content(b'[' * 100_000), 'line 1 is not JSON'),
        (content(b'{"step": 1'), 'line 1 is not JSON'),
        (content('{"step": 1}'.encode('utf-16')), 'not UTF-8'),
        (fifo, 'not a regular file'),
        (lambda path: path.symlink_to('/dev/zero'), 'not a regular file'),
        (large, 'larger than'),
        (lambda path: path.symlink_to('gone'), 'No such file'),
    ],
)
def test_a_log(runs, make, message):
    assert message in media(runs, 'scalars.json', make)


def test_numbers_of_a_log_that_cannot_be_drawn(runs):
    folder = runs / 'good0' / 'vis_data'
    folder.mkdir()
    lines = [
        '{"step": 1, "loss": %s}' % ('9' * 400),
        '{"step": %s, "loss": 1}' % ('9' * 400),
        '{"step": 1, "loss": 1e999}',
        '{"step": 1, "loss": 3}',
        '{"step": 2, "loss": 2, "\\ud800": "\\ud800"}',
    ]
    (folder / 'scalars.json').write_text('\n'.join(lines))
    [curve], problems = find_curves([runs], [])
    assert (curve.steps, curve.values['loss']) == ([1, 2], [3.0, 2.0])
    assert problems == []


def png(width, height, body=b''):
    """A picture that only says how large it is."""

    def chunk(kind, data):
        whole = kind + data
        return (struct.pack('>I', len(data)) + whole) + struct.pack(
            '>I', zlib.crc32(whole)
        )

    head = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', head)
        + chunk(b'IDAT', zlib.compress(body))
        + chunk(b'IEND', b'')
    )


@pytest.mark.parametrize(
    'make, message',
    [
        (content(png(40_000, 40_000)), 'pixels'),
        (content(png(10_000, 9000)), '10000 x 9000 pixels'),
        (content(png(2**31 - 1, 2**31 - 1)), 'pixels'),
        (content(png(8, 8)), 'cannot be read as a picture'),
        (content(png(0, 0)), 'cannot be read as a picture'),
        (content(b''), 'cannot be read as a picture'),
        (content(b'<svg><script>alert(1)</script></svg>'), 'cannot be read'),
        (content(b'%!PS-Adobe-3.0 EPSF-3.0\n'), 'cannot be read'),
        (content(b'II*\0' + b'\xff' * 99), 'cannot be read'),
        (fifo, 'not a regular file'),
        (lambda path: path.symlink_to('/dev/zero'), 'not a regular file'),
        (large, 'larger than'),
    ],
)
def test_a_picture(runs, make, message):
    assert message in media(runs, 'detections_0.png', make)


@pytest.fixture
def packed(runs, tmp_path):
    export_bundle([runs], tmp_path / 'good.zip')
    return tmp_path / 'good.zip'


def repacked(packed, path, packing=zipfile.ZIP_DEFLATED, **more):
    """A copy of a bundle; ``more`` are members to add."""
    with zipfile.ZipFile(packed) as old, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of names that are there twice
        with zipfile.ZipFile(path, 'w', packing) as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
            for name, data in more.items():
                new.writestr(name, data)
    return path


def with_record(data):
    """A bundle whose manifest fits one more record."""

    def make(packed, path):
        name = f'records/{sha_of(data)}.json'
        with zipfile.ZipFile(packed) as old:
            manifest = json.loads(old.read('manifest.json'))
            manifest['records'].append(
                dict(name=name, sha256=sha_of(data), run_id='x')
            )
            with zipfile.ZipFile(path, 'w') as new:
                new.writestr('manifest.json', json.dumps(manifest))
                new.writestr(name, data)
                for entry in manifest['records'][:-1]:
                    new.writestr(entry['name'], old.read(entry['name']))

    return make


def sha_of(data):
    import hashlib

    return hashlib.sha256(data).hexdigest()


def member(name, data=b'{}', kind=stat.S_IFREG):
    def make(packed, path):
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o644) << 16
        repacked(packed, path)
        with zipfile.ZipFile(path, 'a') as archive, warnings.catch_warnings():
            warnings.simplefilter('ignore')
            archive.writestr(info, data)

    return make


def damaged(packing):
    """Bytes in the middle of the packed data turned."""

    def make(packed, path):
        repacked(packed, path, packing)
        with zipfile.ZipFile(path) as archive:
            start = archive.infolist()[1].header_offset + 140
        data = bytearray(path.read_bytes())
        for i in range(start, start + 20):
            data[i] ^= 0x5A
        path.write_bytes(bytes(data))

    return make


def encrypted(packed, path):
    data = bytearray(packed.read_bytes())
    for mark, offset in ((b'PK\x03\x04', 6), (b'PK\x01\x02', 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(bytes(data))


def bomb(packed, path):
    """Millions of zeros, of which the headers say that they are a hundred."""
    zeros = 20 << 20
    repacked(packed, path, **{f'records/{"0" * 64}.json': b'0' * zeros})
    data, size = path.read_bytes(), struct.pack('<I', zeros)
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack('<I', 100)))


def large_record(packed, path):
    repacked(packed, path, **{f'records/{"0" * 64}.json': b'0' * (2 << 20)})


def tar(packed, path):
    import tarfile

    with tarfile.open(path, 'w:xz') as archive:
        archive.add(packed, 'good.zip')


HASH = f'records/{sha("x")}.json'
BUNDLES = {
    'CRC': (damaged(zipfile.ZIP_STORED), 'Bad CRC|changed'),
    'deflate': (damaged(zipfile.ZIP_DEFLATED), 'damaged|Bad CRC|zip'),
    'LZMA': (damaged(zipfile.ZIP_LZMA), 'another method than deflate'),
    'bzip2': (damaged(zipfile.ZIP_BZIP2), 'another method than deflate'),
    'whole LZMA': (
        lambda old, new: repacked(old, new, zipfile.ZIP_LZMA),
        'another method than deflate',
    ),
    'encrypted': (encrypted, 'a link or encrypted'),
    'absolute': (member('/etc/x'), 'does not belong'),
    'above': (member('../x'), 'does not belong'),
    'device of Windows': (member('records/CON.json'), 'does not belong'),
    'backslashes': (member('records\\..\\..\\x.json'), 'does not belong'),
    'not UTF-8': (
        member('records/\udcff.json'.encode('utf-8', 'replace').decode()),
        'does not belong',
    ),
    'link': (member(HASH, b'/etc/passwd', stat.S_IFLNK), 'a link'),
    'pipe': (member(HASH, b'', stat.S_IFIFO), 'a link'),
    'name twice': (member('manifest.json'), 'a file twice'),
    'a member too many': (member(HASH), 'manifest only'),
    'bomb': (bomb, 'manifest only'),
    'large record': (large_record, '2097152 bytes; limit'),
    'tar': (tar, 'not a readable zip'),
    'pipe itself': (lambda old, new: os.mkfifo(new), 'not a regular file'),
    'device itself': (
        lambda old, new: new.symlink_to('/dev/zero'),
        'not a regular file',
    ),
    'folder itself': (lambda old, new: new.mkdir(), 'Is a directory'),
    **{
        f'record: {kind}': (with_record(data), message)
        for kind, (data, message) in RECORDS.items()
        if kind not in ('20,000 metrics',)
    },
}


@pytest.mark.parametrize('kind', BUNDLES)
def test_a_bundle(packed, tmp_path, kind):
    """It is named and left out; a good one next to it is imported."""
    make, message = BUNDLES[kind]
    make(packed, tmp_path / 'bad.zip')
    into = tmp_path / 'into'
    code, _, err = leaderboard('import', tmp_path / 'bad.zip', '-o', into)
    assert code == 2 and not into.exists()
    assert err.count('\n') == 1 and re.search(message, err), err
    code, _, err = leaderboard(
        'import', tmp_path / 'bad.zip', packed, '-o', into
    )
    assert code == 3 and err.count('bad.zip') == 1
    assert len(scan([into])[0]) == 3
