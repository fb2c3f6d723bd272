"""Own masks are paired with their images, or refused in one line."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import PairedMaskLayout
from ssl_bench.tasks.layouts.paired_masks import Tails, find_tails
from ssl_bench.tasks.own import read_own_data
from tests.own_images import labels, masked, save, words


@pytest.mark.parametrize('tail', ['', '_mask', '_gtFine_labelIds'])
def test_images_of_any_ending_meet_their_masks(tmp_path, tail):
    own = read_own_data(*masked(tmp_path, tail=tail))
    assert own.kind == 'masks' and own.title == 'custom:train'
    assert own.classes == ('class 0', 'class 1', 'class 2')
    (layout,) = own.dataset().train
    entries = layout.read().entries
    assert len(entries) == 6
    for image, mask in entries:
        name = Path(image).relative_to(tmp_path / 'train/images')
        assert Path(mask).relative_to(tmp_path / 'train/masks') == (
            name.with_name(f'{name.stem}{tail}.png')
        )


@pytest.mark.parametrize(
    'images, masks, tails',
    [
        (['a_1', 'b_1'], ['a_1', 'b_1'], ('', '')),
        (['a_1', 'b_1'], ['a_1_m', 'b_1_m'], ('', '_m')),
        (['a_x', 'b_x'], ['a_y', 'b_y'], ('_x', '_y')),
        (['a_1', 'b_2'], ['a_1_m', 'b_2_m', 'c_2_m'], ('', '_m')),
        (['a_1', 'b_1', 'c_2'], ['a_1-m', 'b_1-m'], ('', '-m')),
        (['p/a', 'q/a'], ['p/a_m', 'q/a_m'], ('', '_m')),
        (['a'], ['b'], ('', '')),
        (['xa'], ['xxa'], ('', '')),  # no word of its own
    ],
)
def test_a_word_that_all_names_end_in(images, masks, tails):
    found = find_tails(dict.fromkeys(images), dict.fromkeys(masks))
    assert found == Tails(*tails)


def test_a_list_of_names(tmp_path):
    train, val, classes = masked(tmp_path, tail='_mask')
    (tmp_path / 'some.txt').write_text('a/01\nb c/d/02\n')
    own = read_own_data([*train, str(tmp_path / 'some.txt')], val, classes)
    names = [
        Path(entry.image).name
        for entry in own.dataset().train[0].read().entries
    ]
    assert names == ['01.png', '02.bmp']
    assert own.dataset().train[0].sizes()[0].got == 2
    (tmp_path / 'some.txt').write_text('a/01.png\n')
    with pytest.raises(UserError, match='1 lines name no image that has a m'):
        read_own_data([*train, str(tmp_path / 'some.txt')], val, classes)


def changed(root, change):
    train, val, classes = masked(root)
    found = change(root)
    return found or (train, val, classes)


def first_mask(root, split='train'):
    return root / split / 'masks/b c/d/00.png'


def binary(root):
    for path in root.glob('*/masks/**/*.png'):
        save(path, np.where(labels(2) == 1, 255, 0).astype(np.uint8))
    (root / 'classes.txt').write_text('background\nthing\n')


def beyond(root):
    for split, top in (('train', 7), ('val', 3)):
        save(first_mask(root, split), labels(top + 1))
    save(root / 'train/masks/a/01.png', labels(5))


def colour(root):
    save(first_mask(root), np.repeat(labels(3)[..., None], 3, axis=2))


def deep(root):
    save(first_mask(root), labels(3).astype(np.uint16) + 300)


FAULTS = {
    'binary': (binary, 'no mask has another label than 0 and 255, so there'),
    'beyond': (
        beyond,
        r'train/masks: 2 of 6 masks have a label beyond the classes, first '
        r'\S+a/01.png: it has the label 4; this task knows 0 to 2, .*The '
        'list of classes has 3, for the labels 0 to 2: complete it',
    ),
    'colour': (colour, '1 of 6 masks have colours .* has the mode RGB'),
    'deep': (deep, '1 of 6 masks have a label beyond .* has the label 555'),
    'size': (
        lambda root: save(first_mask(root), labels(3)[:30]),
        r'1 of 6 masks are not as large as their image, .* is \(30, 48\), its',
    ),
    'no mask': (
        lambda root: first_mask(root).unlink(),
        '1 images have no mask, first b c/d/00.jpg. Put their masks into',
    ),
    'no image': (
        lambda root: (root / 'val/images/a/01.png').unlink(),
        '1 masks have no image, first a/01.png. Put their images into',
    ),
    'two images': (
        lambda root: save(root / 'train/images/a/01.bmp', labels(3)),
        '1 names have several images, first a/01.bmp, a/01.png. Keep one',
    ),
    'empty': (
        lambda root: (
            shutil.rmtree(root / 'val/images/a')
            or shutil.rmtree(root / 'val/images/b c')
        ),
        'val/images h',
    ),
    'other names': (
        lambda root: (
            [
                path.rename(path.with_name(f'x{path.name}'))
                for path in (root / 'train/masks').rglob('*.png')
            ]
            and None
        ),
        r'no mask of \S+train/masks has the name of an image of',
    ),
    'no classes': (
        lambda root: (root / 'classes.txt').write_text('\n \n') and None,
        'the list of classes .* names no class',
    ),
    'class twice': (
        lambda root: (root / 'classes.txt').write_text('a\nb\na\n') and None,
        'names the class a twice',
    ),
    'one class': (
        lambda root: (root / 'classes.txt').write_text('a\n') and None,
        'names one class only, a: there is nothing to tell apart',
    ),
    'no list': (
        lambda root: words(root, 'images', 'masks'),
        'holds masks, which do not name their classes.*--classes',
    ),
    'val is train': (
        lambda root: (
            *[words(root, 'images', 'masks')[0]] * 2,
            str(root / 'classes.txt'),
        ),
        '6 of 6 test images of .* are training images of',
    ),
    'val is a copy': (
        lambda root: (
            shutil.rmtree(root / 'val')
            or shutil.copytree(root / 'train', root / 'val')
            and None
        ),
        r'are copies of training images of .* \(6 of 6 that were compared\)',
    ),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_what_is_refused_before_anything_trains(tmp_path, fault):
    change, said = FAULTS[fault]
    given = changed(tmp_path, change)
    if not isinstance(given, tuple):
        given = (*words(tmp_path, 'images', 'masks'), given)
    with pytest.raises(UserError, match=said) as error:
        read_own_data(*given)
    assert '\n' not in str(error.value)


def test_a_test_image_that_was_copied_is_noted(tmp_path, caplog):
    given = masked(tmp_path)
    shutil.copy(
        tmp_path / 'train/images/a/01.png', tmp_path / 'val/images/a/01.png'
    )
    read_own_data(*given)
    assert '1 of 6 test images that were compared are copies' in caplog.text


def test_the_layout_without_a_list_moves_with_its_root(tmp_path):
    masked(tmp_path)
    layout = PairedMaskLayout(images='images', masks='masks', labels=3)
    at = layout.at(tmp_path / 'train')
    assert at.list_file == '' and at.check(scored=True) == []
