"""Parts of own images: nested, of every class, the same for all weights."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.judge.settings import Length, crop_of
from ssl_bench.judge.splits import Splits, draw_order, smallest
from ssl_bench.tasks.own import read_own_data


def labels_of(sizes):
    return {
        f'{label}/{i}': frozenset([label])
        for label, size in enumerate(sizes)
        for i in range(size)
    }


def folders(root, sizes):
    for split, images in (('train', sizes), ('val', [2] * len(sizes))):
        for label, size in enumerate(images):
            folder = root / split / f'c{label}'
            folder.mkdir(parents=True)
            for i in range(size):
                colour = (label, i, split == 'val')
                Image.new('RGB', (40, 32), colour).save(folder / f'{i}.png')
    return read_own_data([root / 'train'], [root / 'val'], None, 'mine')


@pytest.mark.parametrize('seed', range(3))
def test_every_beginning_of_an_order_has_the_shares_of_the_classes(seed):
    labels = labels_of([60, 30, 10])
    order = draw_order(labels, seed)
    assert sorted(order) == sorted(labels)
    assert smallest(labels, order) == 3
    for count in (10, 20, 50):
        found = Counter(min(labels[name]) for name in order[:count])
        for label, share in enumerate((0.6, 0.3, 0.1)):
            assert abs(found[label] - share * count) <= 1.5
    assert order == draw_order(dict(reversed(labels.items())), seed)
    assert order != draw_order(labels, seed + 1)


def test_images_of_several_classes_begin_with_all_classes():
    labels = {f'{i}': frozenset([i % 2]) for i in range(50)}
    labels['both'] = frozenset([0, 1])
    labels['rare'] = frozenset([1, 7])
    labels['none'] = frozenset()
    order = draw_order(labels, 0)
    assert smallest(labels, order) <= 3
    assert 'rare' in order[:3] and sorted(order) == sorted(labels)


def test_parts_are_nested_and_nothing_held_out_is_chosen_on(tmp_path):
    own = folders(tmp_path / 'data', [20, 20, 10])
    splits = Splits.of(own, tmp_path / 'work')
    assert len(splits.dev) == 10
    for seed in (0, 1):
        tenth, half = (splits.subset(f, seed) for f in (0.1, 0.5))
        assert len(tenth) == 5 and len(half) == 25
        assert set(tenth) < set(half) < set(splits.labels)
        assert {name.split('/')[0] for name in tenth} == {'c0', 'c1', 'c2'}
        for fraction in (0.1, 0.5, 1.0):
            chosen_on = splits.to_choose(fraction, seed)
            assert not set(chosen_on) & set(splits.dev)
            assert {name.split('/')[0] for name in chosen_on} == {
                'c0',
                'c1',
                'c2',
            }
    assert splits.subset(0.1, 0) != splits.subset(0.1, 1)
    assert splits.data(1.0, 0).train == own.train
    again = Splits.of(own, tmp_path / 'other')
    assert again.dev == splits.dev
    assert again.subset(0.5, 1) == splits.subset(0.5, 1)


def test_lists_name_images_with_their_labels_and_are_kept(tmp_path):
    own = folders(tmp_path / 'data', [20, 20, 10])
    splits = Splits.of(own, tmp_path / 'work')
    part = splits.data(0.1, 3)
    assert part.name == 'mine-10pct' and part.val == own.val
    lines = Path(part.train.names).read_text().splitlines()
    assert len(lines) == 5
    for line in lines:
        name, label = line.split()
        assert name.startswith(f'c{label}/')
    before = (tmp_path / 'work/splits').stat().st_mtime_ns
    assert splits.data(0.1, 3) == part
    assert (tmp_path / 'work/splits').stat().st_mtime_ns == before
    chosen = splits.data_to_choose(0.5, 3)
    names = Path(chosen.val.names).read_text().split()
    assert names[::2] == list(splits.dev)
    assert chosen.val.images == own.train.images
    # a part can be read as data of its own
    assert Splits.of(part, tmp_path / 'more').labels.keys() == {
        line.split()[0] for line in lines
    }


def test_too_few_images_are_a_word_or_a_refusal(tmp_path):
    own = folders(tmp_path / 'data', [20, 20, 10])
    splits = Splits.of(own, tmp_path)
    assert splits.problem(0.1, [0, 1]) == ''
    assert splits.problem(0.02, [0]) == (
        '2 % of 50 images are 1; one of each class takes 3'
    )
    few = folders(tmp_path / 'few', [1, 1, 1])
    with pytest.raises(UserError, match='Add images'):
        Splits.of(few, tmp_path)


def test_crops_follow_the_images(tmp_path):
    for side, crop in ((20, 32), (84, 80), (200, 192), (900, 224)):
        path = tmp_path / f'{side}.png'
        Image.new('RGB', (2 * side, side)).save(path)
        assert crop_of([path]) == crop
    assert crop_of([path], patch=14) == 224
    assert crop_of([tmp_path / '84.png'], patch=14) == 112
    (tmp_path / 'a.png').write_text('no image')
    with pytest.raises(UserError, match=r'a\.png cannot be read'):
        crop_of([tmp_path / 'a.png'])


def test_lengths_are_bounded():
    length = Length(passes=10, least=60, most=500, batch=32)
    assert length.iterations(8) == 60 and length.epochs(8) == 60
    assert length.iterations(640) == 200 and length.epochs(640) == 10
    assert length.iterations(10**6) == 500 and length.epochs(10**6) == 1
    assert length.iterations(640, 0.1) == 20 and length.epochs(640, 0.1) == 1
