"""What the leaderboard writes is whole, or not there."""

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from ssl_bench import cli, files
from ssl_bench.results import bundle, read_records, write_record
from ssl_bench.results.annotate import annotate
from ssl_bench.results.bundle import export_bundle, import_bundle
from tests.results.factory import make_record


@pytest.fixture
def runs(tmp_path):
    for seed in range(3):
        write_record(tmp_path / 'runs' / str(seed), make_record(seed=seed))
        meta = dict(pretrain_batch=64)
        annotate(tmp_path / 'runs' / str(seed), meta, 'A', 'B')
    return tmp_path / 'runs'


@pytest.mark.parametrize(
    'words',
    [
        ['leaderboard', 'runs', '-o', 'out/x.csv', '--force'],
        ['leaderboard', 'runs', '-o', 'out/x.json', '--published', 'none'],
        ['leaderboard', 'export', 'runs', '-o', 'out/x.zip'],
        ['leaderboard', 'import', 'x.zip', '-o', 'out/in'],
    ],
)
@pytest.mark.parametrize('reason', [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_one_line(
    runs, tmp_path, monkeypatch, capsys, words, reason
):
    monkeypatch.chdir(tmp_path)
    export_bundle([runs], 'x.zip')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'x.csv').write_text('before')
    real = os.replace

    def refuse(source, target, **more):
        if 'out' in Path(target).absolute().parts:
            raise OSError(reason, os.strerror(reason))
        return real(source, target, **more)

    monkeypatch.setattr(files.os, 'replace', refuse)
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    [line] = [line for line in err.splitlines() if 'warning' not in line]
    assert 'cannot write' in line and os.strerror(reason) in line
    left = [p for p in (tmp_path / 'out').rglob('*') if p.is_file()]
    assert [path.read_text() for path in left] == ['before']


@pytest.mark.parametrize('after', range(6))
def test_an_interrupted_import_is_whole_and_can_be_repeated(
    runs, tmp_path, monkeypatch, after
):
    """Killed after any of its six files: no record without its correction."""
    export_bundle([runs], tmp_path / 'x.zip')
    written = []

    def killed(write):
        def killing(*args):
            if len(written) == after:
                raise KeyboardInterrupt
            written.append(args[0])
            return write(*args)

        return killing

    with monkeypatch.context() as patch:
        for name in ('write_text', 'write_corrections'):
            patch.setattr(bundle, name, killed(getattr(bundle, name)))
        with pytest.raises(KeyboardInterrupt):
            import_bundle(tmp_path / 'x.zip', tmp_path / 'in')
    found = []
    records = read_records(tmp_path / 'in', found)
    assert len(records) == after // 2
    assert {p.kind for p in found} <= {'missing', 'empty'}
    assert all(r['pretrain']['batch'] == 64 for r in records)
    import_bundle(tmp_path / 'x.zip', tmp_path / 'in')
    records = read_records(tmp_path / 'in')
    assert [r['pretrain']['batch'] for r in records] == [64] * 3


def _write(runs, output, times):
    for _ in range(times):
        assert cli.main(['leaderboard', str(runs), '-o', str(output)]) == 3


def test_two_leaderboards_at_once_leave_a_whole_file(runs, tmp_path):
    output = tmp_path / 'out' / 'x.csv'
    _write(runs, output, 1)
    whole = output.read_bytes()
    context = multiprocessing.get_context('fork')
    workers = [
        context.Process(target=_write, args=(runs, output, 3))
        for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        assert output.read_bytes() == whole
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert [path.name for path in output.parent.iterdir()] == ['x.csv']
