"""SPair-71k on disk: what is read, and what is wrong with it."""

import random
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import DATASETS
from ssl_bench.tasks.layouts import SpairLayout
from ssl_bench.toolbox.pair_sets import SpairImages
from tests.spair_tree import change, write_spair


@pytest.fixture
def tree(tmp_path):
    pairs = write_spair(tmp_path / 'SPair-71k')
    return SpairLayout(folder=str(tmp_path / 'SPair-71k')), pairs


def images(root, **more):
    settings = dict(
        split='test',
        list_size='large',
        pairs_per_category=None,
        shuffle_seed=None,
        pipeline=[],
    )
    return SpairImages(str(root), **{**settings, **more})


def test_every_image_is_listed_once(tree):
    layout, _ = tree
    reading = layout.read(scored=True)
    assert not reading.lines
    assert [
        entry.image.rpartition('JPEGImages/')[2] for entry in reading.entries
    ] == [
        f'{category}/im_{i}.jpg'
        for category in ('cat', 'dog')
        for i in range(3)
    ]
    assert [entry.size for entry in reading.entries[3:]] == [
        (40, 30),
        (32, 48),
        (36, 36),
    ]
    last = reading.pairs[-1]
    assert (last.source, last.target, last.category) == (5, 4, 'dog')
    assert last.source_points == ((4, 5), (20, 20), (35, 9))
    assert last.target_points == ((6, 5), (0, 12), (20, 47))
    assert last.box == (2, 2, 30, 24)
    assert layout.class_order() == ['cat', 'dog']


def test_the_published_set_has_12234_pairs(tree):
    layout, _ = tree
    (published,) = DATASETS['spair71k'].test
    assert published.count == 12234
    (line,) = layout.model_copy(update=dict(count=12234)).read().lines
    assert 'test.txt has 12 pairs, expected 12234' in line


@pytest.mark.parametrize(
    'fields, words',
    [
        (dict(src_kps=[], trg_kps=[]), 'a target point for each source point'),
        (dict(src_kps=[[1, 1]]), 'has 1 and 3'),
        (
            dict(src_kps=[[40, 3], [1, 1], [2, 2]]),
            'the point 40, 3 of src_kps, in an image of 40 x 30',
        ),
        (
            dict(trg_kps=[[3, -1], [1, 1], [2, 2]]),
            'the point 3, -1 of trg_kps, in an image of 32 x 48',
        ),
        (dict(src_kps=[[4.5, 3], [1, 1], [2, 2]]), 'points are whole pixels'),
        (dict(trg_bndbox=[9, 2, 9, 24]), 'pairs have an empty box'),
        (dict(trg_bndbox=None), 'pair files cannot be read'),
        (dict(trg_imsize=[]), 'pairs have no size of an image'),
        (dict(category='dog'), 'says dog, the list cat'),
        (dict(src_imsize=[41, 30, 3]), 'another size in another pair'),
        (dict(src_imname='gone.jpg'), 'gone.jpg'),
    ],
)
def test_a_faulty_pair_is_one_line_that_names_it(tree, fields, words):
    layout, pairs = tree
    change(pairs[0], **fields)
    (line,) = layout.read(scored=True).lines
    assert words in line and '\n' not in line
    with pytest.raises(UserError):
        images(layout.folder)


def test_a_list_that_is_not_one(tree):
    layout, pairs = tree
    pairs[3].unlink()
    (line,) = layout.check(scored=True)
    assert '12 pair files, 1 are not there' in line
    for text, words in (
        ('000001-im_0-im_1', '<number>-<source>-<target>:<category>'),
        ('', 'names no pair'),
        (f'{pairs[0].stem}\n' * 2, 'listed twice'),
    ):
        Path(layout.place).write_text(text)
        assert words in layout.read(scored=True).lines[0]


def test_an_image_of_another_size(tree):
    layout, _ = tree
    path = f'{layout.folder}/JPEGImages/dog/im_1.jpg'
    Image.new('RGB', (30, 30)).save(path)
    (line,) = layout.check(scored=True)
    assert path in line and '30 x 30' in line and '32 x 48' in line


def test_some_pairs_of_each_category(tree):
    """Python's generator with the seed shuffles each category's list."""
    layout, _ = tree
    every = images(layout.folder)
    assert len(every) == 6 and len(every.paired.pairs) == 12
    some = images(layout.folder, pairs_per_category=2, shuffle_seed=20)
    order = list(range(6))
    random.seed(20)
    random.shuffle(order)
    kept = {
        (
            every.paired.images[p.source].image,
            every.paired.images[p.target].image,
        )
        for i, p in enumerate(every.paired.pairs)
        if i % 6 in order[:2]
    }
    found = {
        (
            some.paired.images[p.source].image,
            some.paired.images[p.target].image,
        )
        for p in some.paired.pairs
    }
    assert found == kept and len(found) == 4
    assert [image.image for image in some.paired.images] == [
        some.get_data_info(i)['img_path'] for i in range(len(some))
    ]
    assert some.metainfo['classes'] == ('cat', 'dog')
