"""Own class folders: classes, their order, and what is refused."""

import os
import shutil
from pathlib import Path

import pytest

from ssl_bench.errors import UserError
from ssl_bench.tasks.own import read_own_data
from tests.own_images import folders

NAMES = ('kind 00', 'kind 01', 'kind 02')


def entries(own, split='train'):
    (layout,) = getattr(own.dataset(), split)
    return layout.read(scored=split == 'test').entries


def test_classes_are_folders(tmp_path):
    train, val = folders(tmp_path)
    for name in ('@eaDir', '.ipynb_checkpoints'):
        shutil.copytree(tmp_path / 'train/kind 01', tmp_path / 'train' / name)
    shutil.move(tmp_path / 'train/kind 02', tmp_path / 'elsewhere')
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'train/kind 02')
    own = read_own_data(train, val)
    assert own.kind == 'folders' and own.classes == NAMES
    assert [entry.label for entry in entries(own)] == [0] * 6 + [1] * 6 + [
        2
    ] * 6
    assert {Path(entry.image).suffix for entry in entries(own)} == {
        '.jpg',
        '.png',
        '.bmp',
        '.gif',
        '.JPG',
    }


def test_a_list_orders_the_classes(tmp_path):
    train, val = folders(tmp_path)
    listed = tmp_path / 'classes.txt'
    listed.write_text('kind 02\nkind 00\nkind 01\n')
    own = read_own_data(train, val, str(listed))
    for split in ('train', 'test'):
        for image, label in entries(own, split):
            assert own.classes[label] in image
    some = tmp_path / 'some.txt'
    some.write_text('kind 02/1.png 0\nkind 01/0.jpg\n')
    own = read_own_data([*train, '', str(some)], val, str(listed))
    assert [entry.label for entry in entries(own)] == [0, 2]
    some.write_text('kind 02/1.png 2\n')  # of the sorted folders
    with pytest.raises(UserError, match='not the place of their class folder'):
        read_own_data([*train, '', str(some)], val, str(listed))


FAULTS = {
    'no folders': (
        lambda root: shutil.rmtree(root / 'val') or (root / 'val').mkdir(),
        'val has no class folders; expected <class>/<image> below it',
    ),
    'other classes': (
        lambda root: (root / 'val/kind 02').rename(root / 'val/other'),
        'differ: kind 02 is not in both',
    ),
    'one class': (
        lambda root: [
            shutil.rmtree(root / split / name)
            for split in ('train', 'val')
            for name in NAMES[1:]
        ],
        'names one class only, kind 00',
    ),
    'no image': (
        lambda root: [
            path.unlink() for path in (root / 'train/kind 01').iterdir()
        ],
        '1 class folders hold no image, first kind 01. Put the images there',
    ),
    'images alone': (
        lambda root: (
            [
                path.rename(root / 'train' / f'{number}.png')
                for number, path in enumerate(root.glob('train/*/**/*.*'))
            ]
            and [shutil.rmtree(root / 'train' / name) for name in NAMES]
        ),
        'train has no class folders',
    ),
    'val is train': (
        lambda root: (
            shutil.rmtree(root / 'val')
            or os.symlink(root / 'train', root / 'val')
        ),
        '18 of 18 test images of .* are training images',
    ),
    'not there': (lambda root: shutil.rmtree(root / 'val'), 'val is not ther'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_what_is_refused_before_anything_trains(tmp_path, fault):
    given = folders(tmp_path)
    change, said = FAULTS[fault]
    change(tmp_path)
    with pytest.raises(UserError, match=said) as error:
        read_own_data(*given)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'text, said',
    [
        ('kind 00\nkind 01\n', r'\(2\) does not have the class folders of'),
        ('kind 00\nkind 01\nkind 03\n', 'kind 02 is not in both. It only'),
        ('kind 00\nkind 00\n', 'names the class kind 00 twice'),
        ('', 'names no class'),
    ],
)
def test_a_list_that_is_no_order_of_the_folders(tmp_path, text, said):
    given = folders(tmp_path)
    (tmp_path / 'classes.txt').write_text(text)
    with pytest.raises(UserError, match=said):
        read_own_data(*given, str(tmp_path / 'classes.txt'))
