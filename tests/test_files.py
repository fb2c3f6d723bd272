import hashlib
import stat

import pytest

from ssl_bench.errors import UserError
from ssl_bench.files import atomic_path, sha256, write_text


def test_file_is_whole_or_absent(tmp_path):
    path = tmp_path / 'new' / 'a.txt'
    with pytest.raises(KeyError):
        with atomic_path(path) as part:
            part.write_text('half')
            raise KeyError
    assert list(path.parent.iterdir()) == []
    write_text(path, 'whole')
    with pytest.raises(KeyError):
        with atomic_path(path) as part:
            part.write_text('half')
            raise KeyError
    assert path.read_text() == 'whole'
    assert [p.name for p in path.parent.iterdir()] == ['a.txt']
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def test_full_disk_and_file_for_folder_are_said(tmp_path):
    with pytest.raises(UserError, match='a.txt.*No space left'):
        with atomic_path(tmp_path / 'a.txt'):
            raise OSError(28, 'No space left on device')
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot write'):
        write_text(tmp_path / 'file' / 'b.txt', '')
    assert [p.name for p in tmp_path.iterdir()] == ['file']


def test_sha256(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'x' * 3_000_000)
    assert sha256(path) == hashlib.sha256(b'x' * 3_000_000).hexdigest()
