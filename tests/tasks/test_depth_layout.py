"""Lists of images with depth maps, and their faults."""

import numpy as np
import pytest
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.layouts import DepthLayout, Note, Problem
from ssl_bench.tasks.layouts.depth import read_depth
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.unusable import UnusableLabels
from ssl_bench.toolbox.check_data import check_depths

SIZE = (8, 6)  # width and height


def write(folder, name, metres=2.0, size=SIZE):
    """An image, its depth map, and its line in a list."""
    Image.new('RGB', size).save(folder / f'{name}.jpg')
    depth = np.full(size[::-1], 1000 * metres, np.uint16)
    Image.fromarray(depth).save(folder / f'{name}.png')
    return f'/{name}.jpg /{name}.png 518.8579\n'


@pytest.fixture
def home(tmp_path):
    """Three good pairs in nyu_test.txt."""
    lines = [write(tmp_path, name) for name in 'abc']
    (tmp_path / 'nyu_test.txt').write_text(''.join(lines))
    return tmp_path


def layout(home, **more):
    return DepthLayout(
        list_file=str(home / 'nyu_test.txt'), folder=str(home), **more
    )


def add(home, line):
    with open(home / 'nyu_test.txt', 'a') as file:
        file.write(line)


def test_lines_of_the_list(home):
    add(home, f'{home.name}.jpg None 1.0\n\n')
    Image.new('RGB', SIZE).save(home / 'd.jpg')
    add(home, 'd.jpg a.png 1.0\n')
    reading = layout(home).read(scored=True)
    assert [entry.image for entry in reading.entries] == [
        str(home / f'{name}.jpg') for name in 'abcd'
    ]
    assert reading.entries[3].depth == str(home / 'a.png')
    (note,) = reading.lines
    assert isinstance(note, Note)
    assert 'nyu_test.txt: 1 images have no depth map (left out)' in note
    assert layout(home).check(scored=True) == [note]
    (size,) = layout(home, count=5).sizes()
    assert (size.got, size.differs) == (4, True)
    assert (read_depth(str(home / 'a.png')) == 2000).all()


@pytest.mark.parametrize(
    'line, message',
    [
        ('e.jpg\n', '1 lines are not `<image> <depth map> <focal length>`'),
        ('e.jpg a.png 1\n', 'names 4 images, 1 are not there, first .*e.jpg'),
        ('d.jpg e.png 1\n', 'names 4 depth maps, 1 are not there, first .*e'),
        ('a.jpg a.png 1\n', '1 images are listed twice'),
    ],
)
def test_faults_of_the_list(home, line, message):
    Image.new('RGB', SIZE).save(home / 'd.jpg')
    add(home, line)
    with pytest.raises(UserError, match=message):
        layout(home).read(scored=True).refuse()


def test_a_list_without_use(home):
    (home / 'nyu_test.txt').write_text('a.jpg None 1\n')
    with pytest.raises(UserError, match='names no image with a depth map'):
        layout(home).read().refuse()
    (home / 'nyu_test.txt').unlink()
    with pytest.raises(UserError, match='nyu_test.txt cannot be read'):
        layout(home).read().refuse()


def eight_bits(path):
    Image.new('L', SIZE, 5).save(path)


def colours(path):
    Image.new('RGB', SIZE, (5, 5, 5)).save(path)


def small(path):
    Image.fromarray(np.full((3, 4), 2000, np.uint16)).save(path)


def text(path):
    path.write_text('no image')


FAULTS = [
    (eight_bits, 'do not hold whole numbers of 16 or 32 bits.* mode L'),
    (colours, 'do not hold whole numbers of 16 or 32 bits.* mode RGB'),
    (small, r'are not as large as their image.* is \(3, 4\), its image \(6'),
    (text, 'depth maps cannot be decoded'),
]


@pytest.mark.parametrize('make, message', FAULTS)
def test_faults_of_depth_maps(home, make, message):
    """Of a test set every map is opened, of a training set a few."""
    make(home / 'b.png')
    with pytest.raises(UserError, match=message):
        refuse(layout(home).check(scored=True))


def test_depth_of_32_bits(tmp_path):
    depth = np.arange(48, dtype=np.int32).reshape(6, 8) * 10000
    Image.fromarray(depth).save(tmp_path / 'a.tiff')
    assert np.array_equal(read_depth(str(tmp_path / 'a.tiff')), depth)
    Image.fromarray(depth.astype(np.float32)).save(tmp_path / 'b.tiff')
    with pytest.raises(UnusableLabels, match='mode F'):
        read_depth(str(tmp_path / 'b.tiff'))


@pytest.mark.parametrize('metres', [0, 12.0])
def test_depth_without_valid_pixels(home, metres):
    """Some are noted; a whole set of them is refused."""
    write(home, 'b', metres)
    (line,) = layout(home).check(scored=True)
    assert isinstance(line, Note)
    assert '1 depth maps have no pixel between 0 and 10 metres' in line
    for name in 'ac':
        write(home, name, metres)
    for scored in (True, False):
        (line,) = layout(home).check(scored=scored)
        assert isinstance(line, Problem)
        assert 'no depth map has a pixel between 0 and 10 metres' in line
        assert line.endswith('Write depth in millimetres; 0 is not valid.')


def test_a_few_empty_maps_in_front_are_no_fault(tmp_path):
    """Of a training set others are opened until one has a valid pixel."""
    lines = [
        write(tmp_path, f'{i:02d}', metres=2.0 if i == 39 else 0)
        for i in range(40)
    ]
    (tmp_path / 'nyu_test.txt').write_text(''.join(lines))
    assert layout(tmp_path).check() == []
    lines = lines[:39]
    (tmp_path / 'nyu_test.txt').write_text(''.join(lines))
    assert len(layout(tmp_path).check()) == 1


def nyu(home):
    """Both splits of a task's data set; the test set is `home`'s."""
    text = (home / 'nyu_test.txt').read_text()
    (home / 'nyu').mkdir()
    for path in [*home.glob('?.*')]:
        path.rename(home / 'nyu' / path.name)
    for split in ('train', 'test'):
        (home / f'nyu/nyu_{split}.txt').write_text(text)
    return home


def dataset(home, split, **more):
    from mmengine.registry import DATASETS, DefaultScope

    import ssl_bench.toolbox.depth_pairs  # noqa: F401  registers

    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(
            dict(
                type='DepthPairs',
                data_root=str(home / 'nyu'),
                ann_file=f'nyu_{split}.txt',
                test_mode=split == 'test',
                **more,
            )
        )


def test_data_check_says_it(home):
    nyu(home)
    assert check_task('mini_depth', home) == []
    small(home / 'nyu/b.png')
    lines = check_task('mini_depth', home)
    assert any(
        isinstance(line, Problem) and 'not as large as their image' in line
        for line in lines
    )
    (first, *_) = check_task('nyu_depth_lin1_dinov2', home)
    assert 'nyu_train.txt has 3 pairs, expected 24231' in first


@pytest.mark.parametrize('make, message', FAULTS)
def test_a_run_checks_the_maps_before_it_trains(
    registered, home, make, message
):
    """One faulty training map is skipped; a faulty test map stops."""
    nyu(home)
    make(home / 'nyu/b.png')
    assert check_depths(dataset(home, 'train')) == []
    with pytest.raises(UserError, match=message):
        check_depths(dataset(home, 'test'))


def test_training_skips_what_it_cannot_use(registered, home, tmp_path):
    nyu(home)
    small(home / 'nyu/b.png')
    skipped = tmp_path / 'skipped.txt'
    steps = [
        dict(type='LoadImageFromFile'),
        dict(
            type='ReadDepth',
            skipped=str(skipped),
            depth_rescale_factor=1 / 1000,
        ),
        dict(type='PackSegInputs'),
    ]
    found = dataset(home, 'train', pipeline=steps)
    assert found.prepare_data(1) is None
    assert 'b.png\tis (3, 4), its image (6, 8)' in skipped.read_text()
    depth = found.prepare_data(0)['data_samples'].gt_depth_map.data
    assert depth.shape == (1, 6, 8) and (depth == 2.0).all()
    steps[1].pop('skipped')
    with pytest.raises(UserError, match='the depth map .*b.png is'):
        dataset(home, 'test', pipeline=steps).prepare_data(1)
