"""A list of images is kept, and used while nothing has changed."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from ssl_bench.data.pretrain_dataset import PretrainDataset
from ssl_bench.data.storage import (
    ImageList,
    Listed,
    Names,
    kept_lists,
    open_storage,
)
from ssl_bench.data.storage.folder import Folder
from ssl_bench.data.storage.kept_lists import find_images
from ssl_bench.data.storage.pack import pack
from ssl_bench.errors import UserError
from tests.processes import run_in_processes


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where lists of any length are kept, of folders just made, too."""
    place = tmp_path / 'cache'
    monkeypatch.setenv('SSL_BENCH_CACHE', str(place))
    monkeypatch.setattr(kept_lists, 'KEPT_FROM', 1)
    monkeypatch.setattr(kept_lists, 'SETTLED', -60.0)
    return place


@pytest.fixture
def train(tmp_path):
    """Three class folders with nested ones, and a link to one elsewhere."""
    root = tmp_path / 'train'
    for name in ('a/1.jpg', 'a/2.JPG', 'a-b/1.png', 'c/d/1.jpg', 'c/x.txt'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'x')
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere/1.jpg').touch()
    (root / 'link').symlink_to(tmp_path / 'elsewhere')
    return root


def names_of(root):
    return [*find_images(open_storage(root)).images.names]


def no_listing(self):
    raise AssertionError('it is listed again')


def test_it_is_read_again_without_listing(kept, train, monkeypatch):
    before = sorted(train.rglob('*'))
    first = find_images(open_storage(train)).images
    assert [*first.names] == [
        'a-b/1.png',
        'a/1.jpg',
        'a/2.JPG',
        'c/d/1.jpg',
        'link/1.jpg',
    ]
    assert (first.kinds, first.others) == ('4 .jpg, 1 .png', '1 .txt')
    assert len([*kept.rglob('*.npz')]) == 1
    assert sorted(train.rglob('*')) == before  # which may be read only
    monkeypatch.setattr(Folder, 'list', no_listing)
    second = find_images(open_storage(train)).images
    assert second.names.fingerprint() == first.names.fingerprint()
    assert (second.kinds, second.others) == (first.kinds, first.others)
    (train / 'a/1.jpg').write_bytes(b'other')  # its name is as it was
    assert names_of(f'{train}/') == [*first.names]
    with pytest.raises(AssertionError):  # a list of other endings
        find_images(open_storage(train, ('.jpg',)))


CHANGES = {
    'a new image': lambda root: (root / 'a/3.jpg').touch(),
    'one less': lambda root: (root / 'a/1.jpg').unlink(),
    'another name': lambda root: (root / 'a/1.jpg').rename(root / 'a/0.jpg'),
    'another class': lambda root: (root / 'a').rename(root / 'e'),
    'a new class': lambda root: shutil.copytree(root / 'a', root / 'e'),
    'in a nested folder': lambda root: (root / 'c/d/2.jpg').touch(),
    'behind a link': lambda root: (root / 'link/2.jpg').touch(),
    'a class goes': lambda root: shutil.rmtree(root / 'a'),
    'a folder of the same time': lambda root: replaced(root / 'a'),
}


def replaced(folder):
    """As a copy program does it that sets the times of the original."""
    times = os.stat(folder)
    (folder / '3.jpg').touch()
    os.utime(folder, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize('change', CHANGES)
def test_every_change_of_names_is_seen(kept, train, change):
    before = names_of(train)
    CHANGES[change](train)
    after = names_of(train)
    assert after != before
    assert after == sorted(
        str(path.relative_to(train))
        for folder in [train, *(train.iterdir())]
        for path in Path(folder).glob('*' if folder == train else '**/*')
        if path.suffix in ('.jpg', '.JPG', '.png')
    )
    assert names_of(train) == after


def test_a_file_that_holds_images_is_looked_at(kept, image_folder):
    root = image_folder.parent / 'set-*.zip'
    pack(str(image_folder), str(root))
    first = find_images(open_storage(root)).images
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('ssl_bench.data.storage.base.Container.list', no_listing)
        second = find_images(open_storage(root)).images
    assert np.array_equal(first.places, second.places)
    path = image_folder.parent / 'set-000000.zip'
    times = os.stat(path)
    (image_folder / '03.jpg').rename(image_folder / '13.jpg')
    pack(str(image_folder), str(path), force=True)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(path).st_size == times.st_size
    assert '13.jpg' in names_of(root)
    shutil.copy(path, image_folder.parent / 'set-000001.zip')
    assert len(names_of(root)) == 24


def test_a_damaged_list_is_made_again(kept, train):
    before = names_of(train)
    (path,) = kept.rglob('*.npz')
    whole = path.read_bytes()
    for content in (
        b'',
        b'x' * 99,
        whole[:-40],
        whole.replace(b'a/1', b'a/2'),
    ):
        path.write_bytes(content)
        assert kept_lists.read_list(path) is None
        assert names_of(train) == before
        assert path.read_bytes() == whole


def test_no_damaged_byte_gives_another_list(tmp_path):
    """Also not one of zip's own, which its check sums leave out."""
    path = tmp_path / 'list.npz'
    images = ImageList(
        Names.of(['a.jpg', 'b.jpg']), np.zeros((2, 3)), np.zeros(1), '2 .jpg'
    )
    kept_lists.write_list(path, Listed(images, {'/x': (1, 2, 3, 4)}))
    wanted, whole = pickle.dumps(kept_lists.read_list(path)), path.read_bytes()
    for place in range(whole.index(b'PK\1\2'), len(whole)):
        for bit in (1, 128):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            found = kept_lists.read_list(path)
            assert found is None or pickle.dumps(found) == wanted
    for form in (b'[]', b'{"arrays": [], "stamps": 1}'):
        np.savez(path, about=np.frombuffer(form, np.uint8))
        assert kept_lists.read_list(path) is None


def warnings_of(monkeypatch):
    said = []
    monkeypatch.setattr(
        kept_lists, 'print_log', lambda text, *args: said.append(text)
    )
    return said


def test_what_could_change_unseen_is_not_kept(kept, train, monkeypatch):
    said = warnings_of(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(kept_lists, 'SETTLED', 2.0)
        names_of(train)
    stat = os.stat(train)
    device = f'{os.major(stat.st_dev)}:{os.minor(stat.st_dev)}'
    with monkeypatch.context() as patch:
        patch.setattr(
            kept_lists, '_file_systems', lambda: {device: 'fuse.s3fs'}
        )
        names_of(train)
    assert not kept.exists()
    assert 'has just changed' in said[0] and 'fuse.s3fs' in said[1]
    monkeypatch.setattr(kept_lists, 'KEPT_FROM', 6)
    names_of(train)
    assert not kept.exists() and len(said) == 2
    assert device in kept_lists._file_systems()


def test_a_run_goes_on_where_nothing_can_be_kept(kept, train, monkeypatch):
    said = warnings_of(monkeypatch)
    kept.write_text('a file')
    assert len(names_of(train)) == 5
    assert 'SSL_BENCH_CACHE names another place' in said[0]
    monkeypatch.delenv('SSL_BENCH_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/x')
    assert str(kept_lists.list_folder()) == '/x/ssl_bench/lists'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(os.path, 'expanduser', lambda path: path)
    assert kept_lists.list_folder() is None
    assert len(names_of(train)) == 5


def test_names_are_those_that_were_packed():
    texts = ['', 'a\nb', 'ü/\udcff.jpg', '\U0001f600', 'z' * 300]
    names = Names.of(sorted(texts))
    assert [*names] == sorted(texts) and len(names) == 5
    assert [names[i] for i in range(-5, 5)] == sorted(texts) * 2
    assert names[1:3] == sorted(texts)[1:3]
    with pytest.raises(IndexError):
        names[5]
    assert names.ends.dtype == np.uint32


def test_names_need_little_memory():
    """A byte for each character, and five; benchmarks/storage.py has more."""
    names = Names.of(f'n{i // 1300:08d}/{i:05d}.JPEG' for i in range(20_000))
    assert names[19_999] == 'n00000015/19999.JPEG'
    assert names.text.nbytes + names.ends.nbytes == 20_000 * (20 + 5)


def listed_by(rank, root):
    from ssl_bench import register_all_modules
    from ssl_bench.data.storage.folder import Folder

    register_all_modules()
    if rank:
        Folder.list = no_listing
    dataset = PretrainDataset(data_root=root, pipeline=[])
    return [*dataset.images.names], dataset.images.names.text.flags.writeable


def refused(rank, root):
    try:
        listed_by(rank, root)
    except UserError as error:
        return str(error)


@pytest.mark.slow
def test_one_process_lists_for_all(registered, train, tmp_path):
    found = run_in_processes(listed_by, 2, str(train))
    assert found == [found[0]] * 2 and len(found[0][0]) == 5
    shutil.rmtree(train)
    train.mkdir()
    assert all(
        'has no image' in text
        for text in run_in_processes(refused, 2, str(train))
    )
