"""Images in files that hold many: the samples are those of the folder."""

import os
import pickle
import shlex
import shutil
import signal
import tarfile
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from ssl_bench.cli import main
from ssl_bench.data.pretrain_dataset import (
    PretrainDataset,
    StreamSampler,
    require_images,
)
from ssl_bench.data.storage import base, open_storage
from ssl_bench.data.storage.pack import pack
from ssl_bench.engine.what_was_read import _images_of
from ssl_bench.errors import UserError
from ssl_bench.pixels import read_rgb

PIPELINE = [
    dict(type='MakeViews', views=[dict(size=16, repeat=2)]),
    dict(type='PackViews'),
]
OUTPUTS = [
    'set.zip',
    'set.tar',
    'set-*.tar',
    'set.lmdb',
    'set.parquet',
    'set-*.parquet',
    'set-*.zip',
    'set.arrow',
]


def dataset_of(root, **settings):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        settings = dict(pipeline=PIPELINE) | settings
        return PretrainDataset(data_root=str(root), **settings)


@pytest.fixture
def nested(image_folder):
    """Twelve images in nested folders, whose order is not that of a walk."""
    for name, place in (
        ('03', 'b'),
        ('04', 'b/c'),
        ('05', 'b-1'),
        ('06', 'b/Ünï'),
        ('07', 'a.d'),
    ):
        (image_folder / place).mkdir(parents=True, exist_ok=True)
        (image_folder / f'{name}.jpg').rename(
            image_folder / place / f'{name}.JPG'
        )
    (image_folder / 'note.txt').touch()
    return image_folder


def as_arrow(folder, path):
    """As `datasets` saves it: a stream of batches."""
    pyarrow = pytest.importorskip('pyarrow')
    kind = pyarrow.struct(
        [('bytes', pyarrow.binary()), ('path', pyarrow.string())]
    )
    files = [
        file for file in folder.rglob('*') if file.suffix in ('.jpg', '.JPG')
    ]
    rows = [
        dict(bytes=file.read_bytes(), path=str(file.relative_to(folder)))
        for file in files
    ]
    table = pyarrow.table(
        dict(label=pyarrow.array(range(12)), image=pyarrow.array(rows, kind))
    )
    with pyarrow.ipc.new_stream(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=5)


def packed(folder, output):
    """Pack a folder; its data root."""
    path = folder.parent / output
    if output.endswith('.arrow'):
        as_arrow(folder, path)
    else:
        if output.endswith('.lmdb'):
            pytest.importorskip('lmdb')
        if output.endswith('.parquet'):
            pytest.importorskip('pyarrow')
        files = pack(str(folder), str(path), per_file=5)
        assert len(files) == (3 if '*' in output else 1)
    return path


def samples(dataset, workers=0):
    sampler = StreamSampler(dataset, shuffle=True, seed=3)
    sampler.set_epoch(1)
    loader = DataLoader(
        dataset, batch_size=None, sampler=sampler, num_workers=workers
    )
    return torch.stack([torch.stack(item['inputs']) for item in loader])


@pytest.mark.parametrize('output', OUTPUTS)
def test_samples_are_those_of_the_folder(registered, nested, output):
    """In one process and in workers, which open the files themselves."""
    before = dataset_of(nested)
    wanted, described = samples(before), _images_of(before)
    paths = [before.get_data_info(i)['img_path'] for i in range(12)]
    assert paths == sorted(paths)
    root = packed(nested, output)
    shutil.rmtree(nested)
    found = dataset_of(root)
    assert [
        found.get_data_info(i)['img_path'].removeprefix(f'{root}/')
        for i in range(12)
    ] == [path.removeprefix(f'{nested}/') for path in paths]
    assert torch.equal(samples(found), wanted)
    assert torch.equal(samples(found, workers=2), wanted)
    # a started process gets them pickled
    storage, images = pickle.loads(pickle.dumps((found.storage, found.images)))
    assert storage.source(images, 3) == found.storage.source(images, 3)
    assert _images_of(found).fingerprint == described.fingerprint
    assert found.summary().startswith(f'12 images in {root}: 12 .jpg')
    require_images(dict(data_root=str(root)))


@pytest.mark.parametrize('output', ['set.zip', 'set-*.tar', 'set.lmdb'])
def test_a_broken_image_is_marked_and_replaced(registered, nested, output):
    (nested / 'b/03.JPG').write_bytes(b'broken')
    root = packed(nested, output)
    found = dataset_of(root)
    number = [*found.images.names].index('b/03.JPG')
    assert samples(found, workers=2).shape[0] == 12
    assert found.unreadable.nonzero().flatten().tolist() == [number]


@pytest.mark.parametrize('output', ['set.zip', 'set.tar', 'set-*.parquet'])
def test_check_images_reads_them(nested, capsys, output):
    shutil.copy(nested / '01.jpg', nested / 'same.jpg')
    (nested / '02.jpg').write_bytes(b'broken')
    root = nested.parent / output
    assert main(['data', 'pack', str(nested), str(root)]) == 0
    said = capsys.readouterr().out
    assert said == (
        f'{root}: 1 file; ssl-bench pretrain CONFIG --data '
        f'{shlex.quote(str(root))} reads them\n'
    )
    assert main(['data', 'pack', str(nested), str(root)]) == 2
    assert 'is there already' in capsys.readouterr().err
    assert main(['data', 'check-images', str(root), '--jobs', '2']) == 1
    lines = capsys.readouterr().out.splitlines()
    assert 'broken: 02.jpg: it is not an image' in lines
    assert 'copy: same.jpg has the content of 01.jpg' in lines
    assert f'{root}: 13 images (13 .jpg), 1 broken, 1 copies' in lines[-1]


def test_a_folder_in_a_file(registered, nested):
    """As `zip -r train.zip train` makes it; with what systems add."""
    root = nested.parent / 'set.zip'
    with zipfile.ZipFile(root, 'w') as file:
        for path in sorted(nested.rglob('*')):
            file.write(path, f'images/{path.relative_to(nested)}')
        file.writestr('__MACOSX/images/._01.jpg', b'')
        file.writestr('images/.hidden.jpg', b'')
        file.writestr('images/b/03.JPG', (nested / '01.jpg').read_bytes())
    wanted = _images_of(dataset_of(nested)).fingerprint
    for found in (
        dataset_of(f'{root}/images'),
        dataset_of(root, data_prefix='images/'),
    ):
        assert _images_of(found).fingerprint == wanted
        assert found.summary().endswith('; left out: 1 .txt')
        assert found.get_data_info(0)['img_path'] == f'{root}/images/00.jpg'
    # the later of two of one name, as after unpacking
    seen = []
    found = dataset_of(f'{root}/images', pipeline=[seen.append])
    found[[*found.images.names].index('b/03.JPG')]
    assert np.array_equal(seen[0]['img'], read_rgb(str(nested / '01.jpg')))
    names = [*dataset_of(root).images.names]
    assert len(names) == 12 and names[0] == 'images/00.jpg'


@pytest.mark.parametrize('output', ['set.zip', 'set-*.tar', ''])
def test_a_list_takes_some(registered, nested, output):
    """In the folder; next to a file."""
    root = packed(nested, output) if output else nested
    home = nested.parent if output else nested
    (home / 'list.txt').write_text('b/03.JPG\n\na.d/07.JPG\n')
    found = dataset_of(root, ann_file='list.txt')
    assert [*found.images.names] == ['a.d/07.JPG', 'b/03.JPG']
    seen = []
    dataset_of(root, ann_file='list.txt', pipeline=[seen.append])[0]
    wanted = read_rgb(str(nested / 'a.d/07.JPG'))
    assert np.array_equal(seen[0]['img'], wanted)
    with pytest.raises(UserError, match='no list .*none.txt of images'):
        dataset_of(root, ann_file='none.txt')
    (home / 'list.txt').write_text('\n')
    with pytest.raises(UserError, match='list.txt lists no image'):
        dataset_of(root, ann_file='list.txt')
    if output:
        (home / 'list.txt').write_text('b/03.JPG\nx.jpg\n')
        with pytest.raises(UserError, match='no x.jpg, and 1 of 2 images'):
            dataset_of(root, ann_file='list.txt')


def test_subsets_of_the_toolkit(registered, nested):
    found = dataset_of(packed(nested, 'set.zip'), indices=[7, 2])
    wanted = [*dataset_of(nested).images.names]
    assert [*found.images.names] == [wanted[7], wanted[2]]
    assert len(found.unreadable) == 2
    assert [*found.get_subset(-1).images.names] == [wanted[2]]
    assert len(found) == 2
    found.get_subset_(1)
    assert [*found.images.names] == [wanted[7]]


def test_a_database_in_a_folder(nested):
    lmdb = pytest.importorskip('lmdb')
    path = nested.parent / 'db'
    with lmdb.open(str(path)) as database, database.begin(write=True) as step:
        for name in ('a.jpg', 'b.JPG', '__len__'):
            step.put(name.encode(), name.encode())
    for name in ('plain', 'set.lmdb'):
        path = path.rename(nested.parent / name)
        storage = open_storage(path)
        listed = storage.list()
        assert [*listed.images.names] == ['a.jpg', 'b.JPG']
        assert storage.source(listed.images, 1) == b'b.JPG'
        assert listed.others == ['__len__']


def test_workers_read_a_database_that_is_open_already(registered, nested):
    """As after a look at a sample; a process can open it only once."""
    root = packed(nested, 'set.lmdb')
    found = dataset_of(root)
    found[0]
    assert len(samples(found, workers=2)) == 12
    assert not found.unreadable.any()
    found[1]


def test_webdataset_labels_are_part_of_their_images(nested):
    root = nested.parent / 'set.tar'
    with tarfile.open(root, 'w') as file:
        file.add(nested / '01.jpg', './x/01.jpg')
        for name in ('01.cls', '01.json', 'readme'):
            file.add(nested / 'note.txt', f'x/{name}')
    listed = open_storage(root).list()
    assert [*listed.images.names] == ['x/01.jpg']
    assert listed.others == ['x/readme']


def test_few_files_are_open_at_once(nested, monkeypatch):
    monkeypatch.setattr(base, 'OPEN', 2)
    storage = open_storage(packed(nested, 'set-*.tar'))
    images = storage.list().images
    for index in (0, 5, 11, 0):
        content = storage.source(images, index)
        assert content == (nested / images.names[index]).read_bytes()
    assert len(storage._handles) == 2
    for file in storage._handles.values():
        os.close(file)


def test_ranges_of_numbers(nested):
    packed(nested, 'set-*.tar')
    home = nested.parent
    storage = open_storage(home / 'set-{000000..000001}.tar')
    assert len(storage.files) == 2
    with pytest.raises(UserError, match='no file .*set-000003.tar'):
        open_storage(home / 'set-{000000..000003}.tar')


def message_of(root):
    with pytest.raises(UserError) as error:
        dataset_of(root)
    text = str(error.value)
    assert '\n' not in text
    return text


def test_what_cannot_be_read_is_one_line(registered, nested, monkeypatch):
    home = nested.parent
    with zipfile.ZipFile(home / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as file:
        file.write(nested / '01.jpg', '01.jpg')
        file.write(nested / 'note.txt', 'note.txt')
    assert '1 images that are compressed' in message_of(home / 'a.zip')
    for ending in ('zip', 'tar', 'lmdb', 'parquet', 'arrow'):
        path = home / f'bad.{ending}'
        path.write_bytes(b'no such file' * 100)
        assert f'{path} cannot be listed' in message_of(path)
        missing = home / f'none.{ending}'
        assert f'no file {missing} to pretrain on' in message_of(missing)
        assert 'no file' in message_of(home / f'none-*.{ending}')
    for name in ('set.zip', 'set.tar', 'set.parquet'):
        whole = packed(nested, name)
        content = whole.read_bytes()
        whole.write_bytes(content[: len(content) // 2])
        assert f'{whole} cannot be listed' in message_of(whole)
    assert 'compressed as a whole' in message_of(home / 'a.tar.gz')
    assert 'not one of .zip, .tar' in message_of(nested / 'note.txt')
    (home / 'shards').mkdir()
    (home / 'shards/a-0.tar').touch()
    assert f'data root {home}/shards/*.tar' in message_of(home / 'shards')
    monkeypatch.setitem(__import__('sys').modules, 'lmdb', None)
    monkeypatch.setitem(__import__('sys').modules, 'pyarrow', None)
    assert 'pip install "ssl-bench[lmdb]"' in message_of(home / 'x.lmdb')
    assert 'pip install "ssl-bench[parquet]"' in message_of(home / 'x.parquet')


def test_columns_of_tables(tmp_path, photo):
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    path = str(tmp_path / 'a.parquet')
    plain = dict(jpg=[b'1', b'2', b'3'], label=[1, 2, 3])
    parquet.write_table(pyarrow.table(plain), path, row_group_size=2)
    storage = open_storage(path)
    images = storage.list().images
    assert [*images.names] == [f'a/0000000{i}' for i in range(3)]
    assert [storage.source(images, i) for i in (2, 0, 1)] == [b'3', b'1', b'2']
    named = plain | dict(__key__=['b', 'c', 'a'])
    parquet.write_table(pyarrow.table(named), path)
    images = open_storage(path).list().images
    assert [*images.names] == ['a', 'b', 'c']
    assert open_storage(path).source(images, 0) == b'3'
    parquet.write_table(pyarrow.table(plain | dict(png=[b''] * 3)), path)
    with pytest.raises(UserError, match='no column `image`, and 2 of its'):
        open_storage(path).list()
    kind = pyarrow.struct(
        [('bytes', pyarrow.binary()), ('path', pyarrow.string())]
    )
    rows = pyarrow.array([dict(bytes=None, path='/x/a.jpg')], kind)
    parquet.write_table(pyarrow.table(dict(image=rows)), path)
    with pytest.raises(UserError, match='first row of .* has no image'):
        open_storage(path).list()


@pytest.mark.parametrize('output', ['set.zip', 'set-*.tar', 'set.lmdb'])
def test_another_file_than_was_listed_gives_no_images(nested, output):
    """Replaced during a run, or different on another machine."""
    root = packed(nested, output)
    listed = open_storage(root)
    images = listed.list().images
    (nested / '00.jpg').unlink()
    (nested / '01.jpg').write_bytes(b'x' * 50_000)
    shutil.copy(nested / '02.jpg', nested / '09a.jpg')
    pack(str(nested), str(root), force=True, per_file=5)
    with pytest.raises(UserError, match='not as it was when it was listed'):
        listed.source(images, 0)
    if '*' in output:
        (nested.parent / 'set-000002.tar').unlink()
        with pytest.raises(
            UserError, match='not as it was when it was listed'
        ):
            open_storage(root).source(images, 0)


def test_links_in_a_tar_are_images(registered, nested):
    """tar stores a file of two names once; a run reads both."""
    (nested / 'a.d/hard.jpg').hardlink_to(nested / '01.jpg')
    (nested / 'b/soft.jpg').symlink_to('../a.d/hard.jpg')
    wanted = samples(dataset_of(nested))
    root = nested.parent / 'set.tar'
    with tarfile.open(root, 'w') as file:
        file.add(nested, '.')
    assert torch.equal(samples(dataset_of(root)), wanted)
    (nested / 'b/lost.jpg').symlink_to('/nowhere/x.jpg')
    with tarfile.open(root, 'w') as file:
        file.add(nested, '.')
    assert 'a link, ./b/lost.jpg, that leads to no file in it' in message_of(
        root
    )
    with zipfile.ZipFile(nested.parent / 'set.zip', 'w') as zipped:
        info = zipfile.ZipInfo('a.jpg')
        info.external_attr = 0o120777 << 16
        zipped.writestr(info, '../b.jpg')
    assert 'a.jpg is a link' in message_of(nested.parent / 'set.zip')


def test_a_tar_without_its_end_or_with_two_is_refused(registered, nested):
    root = packed(nested, 'set.tar')
    whole = root.read_bytes()
    with tarfile.open(root) as file:
        last = file.getmembers()[-1].offset  # no image is cut
    root.write_bytes(whole[:last])
    assert 'it has no end' in message_of(root)
    root.write_bytes(whole + whole)
    assert 'more follows its end' in message_of(root)


def test_a_cut_database_does_not_end_the_process(registered, nested):
    root = packed(nested, 'set.lmdb')
    root.write_bytes(root.read_bytes()[:-4096])
    assert 'ends before its last page' in message_of(root)


def test_rows_of_equal_paths_are_all_images(registered, nested):
    """`datasets` keeps only the last parts of paths."""
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    rows = [
        dict(bytes=(nested / f'0{i}.jpg').read_bytes(), path=path)
        for i, path in ((0, 'same.jpg'), (1, 'same.jpg'), (2, 'c.jpg'))
    ]
    root = nested.parent / 'a.parquet'
    parquet.write_table(pyarrow.table(dict(image=rows)), root)
    found = dataset_of(root)
    assert [*found.images.names] == [f'a/0000000{i}' for i in range(3)]
    assert found.storage.source(found.images, 1) == rows[1]['bytes']
    for name in '01':  # and of two files
        shutil.copy(nested / '01.jpg', nested.parent / 'same.jpg')
        with tarfile.open(nested.parent / f'{name}.tar', 'w') as file:
            file.add(nested.parent / 'same.jpg', 'same.jpg')
    (nested.parent / 'list.txt').write_text('same.jpg\n')
    with pytest.raises(UserError, match='two images of the name same.jpg'):
        dataset_of(nested.parent / '*.tar', ann_file='list.txt')


def test_no_file_of_an_earlier_pack_stays_in_the_set(nested):
    output = str(nested.parent / 'set-*.tar')
    assert len(pack(str(nested), output, per_file=3)) == 4
    for number in (0, 1):
        os.unlink(nested.parent / f'set-00000{number}.tar')
    with pytest.raises(UserError, match='set-000002.tar is there already'):
        pack(str(nested), output, per_file=6)
    assert len(pack(str(nested), output, force=True, per_file=6)) == 2
    assert len(open_storage(output).list().images) == 12
    (nested.parent / 'set-val.tar').touch()
    with pytest.raises(UserError, match='would also read .*set-val.tar'):
        pack(str(nested), output, force=True)


@pytest.mark.parametrize('output', ['set.zip', 'set-*.tar', 'set.lmdb'])
def test_a_stopped_pack_leaves_nothing(nested, output):
    """Not the first files either: they would be another set."""
    before = {*nested.parent.iterdir()}

    def stop(done, of):
        if done == of:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(str(nested), str(nested.parent / output), show=stop, per_file=5)
    assert {*nested.parent.iterdir()} == before


def test_a_signal_stops_a_pack(nested, monkeypatch):
    @contextmanager
    def progress(title):
        yield lambda done, of: signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr('ssl_bench.cli.data.progress', progress)
    with pytest.raises(SystemExit) as end:
        main(['data', 'pack', str(nested), str(nested.parent / 'a.zip')])
    assert end.value.code == 128 + signal.SIGTERM
    assert [*nested.parent.iterdir()] == [nested]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_names_of_outputs(nested):
    for name, words in (
        ('a.rar', 'does not end in one of .zip'),
        ('*-*.tar', r'one \* in the name'),
        ('*.lmdb', 'one database holds all'),
    ):
        with pytest.raises(UserError, match=words):
            pack(str(nested), str(nested.parent / name))
    (nested.parent / 'empty').mkdir()
    with pytest.raises(UserError, match='has no image'):
        pack(str(nested.parent / 'empty'), str(nested.parent / 'a.zip'))
    assert not (nested.parent / 'a.zip').exists()


def test_names_that_would_be_lost(nested):
    """Two of one name, as shards can have them; one that is not UTF-8."""
    home = nested.parent
    for number in '01':
        with tarfile.open(home / f'{number}.tar', 'w') as file:
            file.add(nested / f'0{number}.jpg', 'a.jpg')
    assert len(open_storage(home / '*.tar').list().images) == 2
    with pytest.raises(UserError, match='two images of the name a.jpg'):
        pack(str(home / '*.tar'), str(home / 'a.zip'))
    shutil.copy(nested / '01.jpg', os.fsencode(nested) + b'/\xff.jpg')
    with pytest.raises(UserError, match='not UTF-8'):
        pack(str(nested), str(home / 'a.lmdb'))
    assert not (home / 'a.zip').exists() and not (home / 'a.lmdb').exists()
