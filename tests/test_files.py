import hashlib
import os
import stat

import pytest

from ssl_bench.data.storage import open_storage
from ssl_bench.errors import UserError
from ssl_bench.files import (
    atomic_path,
    count_endings,
    disk_errors,
    keep_existing,
    sha256,
    write_text,
)
from ssl_bench.tasks.layouts import FolderLayout


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
    with pytest.raises(UserError, match='a.txt.*No space left.*free space'):
        with atomic_path(tmp_path / 'a.txt'):
            raise OSError(28, 'No space left on device')
    with pytest.raises(UserError, match='a.txt.*Read-only.*; choose another'):
        with atomic_path(tmp_path / 'a.txt'):
            raise OSError(30, 'Read-only file system')
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot write'):
        write_text(tmp_path / 'file' / 'b.txt', '')
    assert [p.name for p in tmp_path.iterdir()] == ['file']


def test_sha256(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'x' * 3_000_000)
    assert sha256(path) == hashlib.sha256(b'x' * 3_000_000).hexdigest()


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / 'a.csv'
    keep_existing(path, force=False)
    path.write_text('one,two\n1,2\n')
    with pytest.raises(UserError, match='a.csv is there already.*--force'):
        keep_existing(path, force=False)
    with pytest.raises(UserError):
        keep_existing(path, force=False, text='one,two\n1,2\n3,4\n')
    with pytest.raises(UserError):
        keep_existing(path, force=False, mark='three')
    keep_existing(path, force=True)
    keep_existing(path, force=False, text='one,two\n1,2\n')
    keep_existing(path, force=False, mark='one,')
    link = tmp_path / 'link'
    link.symlink_to('nowhere')
    with pytest.raises(UserError):
        keep_existing(link, force=False)


def test_a_failing_disk_is_one_line():
    with pytest.raises(UserError, match='/a/b: Read-only file system. Make'):
        with disk_errors():
            raise OSError(30, 'Read-only file system', '/a/b')
    with pytest.raises(FileNotFoundError), disk_errors():
        raise FileNotFoundError(2, 'No such file', '/nowhere')


def test_links_between_folders_do_not_lead_round(tmp_path):
    """A folder that is linked twice is read twice; a circle ends."""
    for name in ('a', 'b', 'c'):
        (tmp_path / name).mkdir()
        (tmp_path / name / f'{name}.jpg').touch()
    os.symlink(tmp_path / 'b', tmp_path / 'a/to_b')
    os.symlink(tmp_path / 'a', tmp_path / 'b/to_a')
    os.symlink(tmp_path / 'c', tmp_path / 'a/to_c')
    assert list(open_storage(tmp_path / 'a').list().images.names) == [
        'a.jpg',
        'to_b/b.jpg',
        'to_c/c.jpg',
    ]
    os.symlink('self', tmp_path / 'c/self')
    found = open_storage(tmp_path / 'c').list()
    assert ([*found.images.names], found.hidden) == (['c.jpg'], ['self'])


def test_folders_of_systems_hold_no_data(tmp_path):
    for name in ('lost+found', '@eaDir', '__MACOSX', '.cache', '#recycle'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.jpg').touch()
    (tmp_path / 'b.JPG').touch()
    (tmp_path / 'c.heic').touch()
    found = open_storage(tmp_path).list()
    assert ([*found.images.names], found.others) == (['b.JPG'], ['c.heic'])
    assert len(found.hidden) == 5
    assert count_endings(['b.JPG', 'a.png', 'x.jpg', 'd']) == (
        '2 .jpg, 1 .png, 1 without ending'
    )


def test_a_link_to_itself_is_not_a_class(tmp_path):
    for name in ('cat', 'dog'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'a.jpg').touch()
    os.symlink('self', tmp_path / 'self')
    os.symlink('self.jpg', tmp_path / 'self.jpg')
    found = FolderLayout(folder=str(tmp_path)).images()
    assert [*found] == ['cat', 'dog']
