"""Copies of test images are found, and other images are none."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from ssl_bench.errors import UserError, shown
from ssl_bench.judge.alike import BOUND, alike_hashes, distance, hash_of
from ssl_bench.judge.data_check import _looked_at, check_data
from ssl_bench.judge.duplicates import (
    ALIKE,
    SAME_FILE,
    SAME_PIXELS,
    find_duplicates,
)
from ssl_bench.judge.looked import look_at_files, look_at_storage
from ssl_bench.pixels import read_rgb, read_thumbnail
from ssl_bench.tasks.own import read_own_data


@pytest.fixture(scope='module')
def mini(mini_root):
    """Embedded images in folders of their classes."""
    return mini_root / 'imagenet'


def images_in(folder):
    """Paths, sorted."""
    return sorted(map(str, folder.rglob('*.jpg')))


def saved(image, kind='JPEG', **options):
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def copies(path):
    """What people do to an image: name to the bytes of a file."""
    image = Image.open(path).convert('RGB')
    half = image.resize([side // 2 for side in image.size])
    double = image.resize([side * 2 for side in image.size])
    return {
        'again.jpg': saved(image, quality=60),
        'half.jpg': saved(half, quality=90),
        'double.webp': saved(double, 'WEBP', quality=80),
        'square.jpg': saved(image.resize((200, 200)), quality=90),
        'grey.jpg': saved(image.convert('L'), quality=90),
        'bright.jpg': saved(image.point(lambda value: value * 1.15)),
    }


def test_copies_are_found_and_named(mini, tmp_path):
    tests = images_in(mini / 'val')
    other = tmp_path / 'seen'
    other.mkdir()
    shutil.copy(tests[0], other / 'file.jpg')
    pixels = read_rgb(tests[1])
    (other / 'pixels.png').write_bytes(saved(Image.fromarray(pixels), 'PNG'))
    for number, path in enumerate(tests[2:7]):
        for name, content in copies(path).items():
            home = other / str(number)
            home.mkdir(exist_ok=True)
            (home / name).write_bytes(content)
    for path in images_in(mini / 'train'):
        shutil.copy(path, other)
    (other / 'broken.jpg').write_bytes(b'none')
    found = find_duplicates(
        look_at_files(str(mini / 'val'), tests, 1),
        look_at_storage(str(other), 1),
    )
    assert [one.how for one in found.found] == [
        SAME_FILE,
        SAME_PIXELS,
        *[ALIKE] * 5,
    ]
    names = [os.path.relpath(path, mini / 'val') for path in tests[:7]]
    assert [one.test for one in found.found] == names
    assert [one.other for one in found.found[:2]] == ['file.jpg', 'pixels.png']
    assert [one.other[0] for one in found.found[2:]] == list('01234')
    assert found.unread == 1 and found.tested == 16
    assert found.share == pytest.approx(700 / 16)
    assert found.text.startswith(
        f'7 of 16 test images (43.8%) are among the {40 + 33} of '
    )
    assert '(1 same file, 1 same pixels, 5 alike): ' in found.text
    assert found.text.endswith('and 4 more; 1 images cannot be read')


@pytest.mark.slow
def test_each_kind_of_copy_is_found(mini, tmp_path):
    """At least nine of ten, alone and with the other images around."""
    tests = images_in(mini.parent / 'VOCdevkit')[:40]
    made: dict[str, int] = {}
    for number, path in enumerate(tests):
        for kind, content in copies(path).items():
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / kind / f'{number}.jpg').write_bytes(content)
    home = str(mini.parent)
    looked = look_at_files(home, tests, 1)
    for kind in sorted(os.listdir(tmp_path)):
        found = find_duplicates(
            looked, look_at_storage(str(tmp_path / kind), 1)
        )
        made[kind] = len(found.found)
        numbers = {one.test: int(one.other[:-4]) for one in found.found}
        right = [os.path.relpath(tests[i], home) for i in numbers.values()]
        assert right == list(numbers)
    assert min(made.values()) >= 36, made


def test_other_images_are_no_duplicates(mini):
    """Training and test images, and the two sets of other scenes."""
    root = mini.parent
    tests = look_at_files(str(mini / 'val'), images_in(mini / 'val'), 1)
    for folder in ('imagenet/train', 'coco', 'VOCdevkit'):
        found = find_duplicates(tests, look_at_storage(str(root / folder), 1))
        assert found.found == ()
    assert found.text.startswith('none of 16 test images is among the ')


def test_images_of_one_colour_are_the_same_only_as_files(tmp_path):
    for folder, shade in (('a', 200), ('b', 201)):
        (tmp_path / folder).mkdir()
        plain = Image.new('RGB', (64, 64), (shade,) * 3)
        plain.save(tmp_path / folder / '1.png')
    ours = look_at_storage(str(tmp_path / 'a'), 1)
    theirs = look_at_storage(str(tmp_path / 'b'), 1)
    assert not ours.clear.any()
    assert find_duplicates(ours, theirs).found == ()
    assert [one.how for one in find_duplicates(ours, ours).found] == [
        SAME_FILE
    ]


def test_the_search_finds_what_all_pairs_give():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2**64, 200, np.uint64)
    turned = first.copy()
    for place in range(len(turned)):  # 0 to 9 bits are turned
        for bit in rng.choice(64, place % 10, replace=False):
            turned[place] ^= np.uint64(1) << np.uint64(bit)
    second = np.concatenate([rng.integers(0, 2**64, 900, np.uint64), turned])
    apart = np.array(
        [[(int(a) ^ int(b)).bit_count() for b in second] for a in first]
    )
    assert (distance(first[:, None], second[None]) == apart).all()
    for bound in (0, 3, BOUND):
        rows, others = np.nonzero(apart <= bound)
        expected = np.stack([rows, others, apart[rows, others]], 1)
        assert (alike_hashes(first, second, bound) == expected).all()
    assert len(alike_hashes(first, second)) == 160
    with pytest.raises(ValueError, match='finds 0 to 7'):
        alike_hashes(first, second, 8)


def test_the_search_does_not_need_memory_for_all_pairs(monkeypatch):
    """Parts of the pairs are looked at together; the result is the same."""
    from ssl_bench.judge import alike

    same = np.zeros(50, np.uint64)
    whole = alike_hashes(same, same)
    monkeypatch.setattr(alike, 'PAIRS', 120)
    assert len(whole) == 2500
    assert (alike_hashes(same, same) == whole).all()


def test_the_hash_is_which_areas_are_brighter_than_their_left_neighbour():
    rising = np.tile(np.arange(18, dtype=np.uint8) * 10, (16, 1))
    assert hash_of(rising) == 2**64 - 1
    assert hash_of(rising[:, ::-1].copy()) == 0
    rising[:2] = 0  # the first row of areas
    assert hash_of(rising) == 2**56 - 1


def test_a_thumbnail_is_the_mean_over_areas_of_the_upright_image(tmp_path):
    pixels = np.zeros((64, 32, 3), np.uint8)
    pixels[:32, :16], pixels[32:, 16:] = 200, 100
    exif = Image.Exif()
    exif[274] = 6  # turned
    Image.fromarray(pixels).save(tmp_path / 'a.png', exif=exif)
    upright = read_rgb(tmp_path / 'a.png').astype(float)
    expected = upright.reshape(4, 8, 4, 16, 3).mean((1, 3))
    assert (read_thumbnail(tmp_path / 'a.png', 4) == expected).all()


@pytest.fixture
def own(mini):
    """The embedded images as own data."""
    return read_own_data([str(mini / 'train')], [str(mini / 'val')])


def test_training_images_and_those_of_pretrainings_are_checked(
    own, mini, tmp_path
):
    seen = tmp_path / 'seen'
    shutil.copytree(mini / 'val', seen)
    names = look_at_storage(str(seen), 1).images.names
    read = dict(folder=str(seen), fingerprint=names.fingerprint())
    headers = {
        'ours': dict(read=read),
        'other names': dict(read=dict(read, fingerprint='x')),
        'gone': dict(read=dict(folder=str(tmp_path / 'gone'))),
        'foreign': {},
    }
    told = []
    found = check_data(own, headers, None, 1, lambda *step: told.append(step))
    assert found.train.found == () and found.train.images == 40
    assert len(found.pretrain['ours'].found) == 16
    assert found.pretrain.keys() == {'ours', 'other names'}
    folder = shown(str(seen), 60)  # a long path is cut
    assert found.notes == {
        'other names': f'{folder} has other file names than its pretraining '
        'has read',
        'gone': f'{shown(str(tmp_path / "gone"), 100)} is not there',
        'foreign': 'it does not say which images it has seen',
    }
    # the folder of two checkpoints is looked at once
    assert len(told) == 16 + 40 + 16
    assert told[-1] == (f'images of {folder}', 16, 16)


def test_a_folder_that_the_user_names_is_for_all_and_must_have_images(
    own, mini, tmp_path
):
    found = check_data(own, {'a': {}, 'b': {}}, str(mini / 'train'), 1)
    assert found.notes == {} and found.pretrain['b'].images == 40
    (tmp_path / 'empty').mkdir()
    for folder in ('empty', 'none'):
        with pytest.raises(UserError, match='--pretrain-data: .*' + folder):
            check_data(own, {'a': {}}, str(tmp_path / folder), 1)


def test_a_folder_of_a_pretraining_that_was_moved(tmp_path):
    assert _looked_at(str(tmp_path / 'old'), False, 1, None) == (
        f'{tmp_path}/old is not there'
    )
    (tmp_path / 'empty').mkdir()
    text = _looked_at(str(tmp_path / 'empty'), False, 1, None)
    assert isinstance(text, str) and not text.endswith('.')
