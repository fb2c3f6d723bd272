"""Names of pretraining images come from what they are."""

import json

import pytest

from ssl_bench.data.mini import fingerprint as embedded_print
from ssl_bench.tasks import pretraining_sets
from ssl_bench.tasks.datasets import MINI_PARTS, wordnet_ids
from ssl_bench.tasks.pretraining_sets import describe_images


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two images a class instead of 1281167 in all; five of COCO."""
    monkeypatch.setattr(pretraining_sets, 'IN1K_IMAGES', 2000)
    monkeypatch.setattr(pretraining_sets, 'COCO_IMAGES', 5)


def named(names, folder='d'):
    return describe_images(folder, sorted(names), 'x').data


IN1K = [f'{c}/{c}_{i}.JPEG' for c in wordnet_ids() for i in (1, 2)]


def test_the_full_set():
    found = describe_images('d/', sorted(IN1K), 'f')
    assert found == ('IN1K', 'd', 2000, 'f')
    assert named([name.partition('/')[2] for name in IN1K]) == 'IN1K'


@pytest.mark.parametrize(
    'names',
    [
        IN1K[:-1],  # an image is missing
        [*IN1K, 'x/x_1.JPEG'],
        [name.replace('n01440764', 'cats') for name in IN1K],
        [f'{name}.png' if i == 7 else name for i, name in enumerate(IN1K)][1:],
        [name.replace('/n', '/m') for name in IN1K],  # other file names
        [name.replace('_1', '_1/1') for name in IN1K],
        [
            name.replace('_', '/', 1) if i == 9 else name
            for i, name in enumerate(IN1K)
        ],
        [f'img{i}.jpg' for i in range(2000)],
    ],
)
def test_other_images_are_custom(names):
    assert named(names) == f'custom: d ({len(names)} images)'


def test_coco_and_the_embedded_images(tmp_path):
    assert named([f'{i:012}.jpg' for i in range(5)]) == 'COCO'
    assert named([f'{i:012}.jpg' for i in range(4)]).startswith('custom')
    assert named(['a.jpg'] * 5).startswith('custom')
    folder = tmp_path / 'imagenet/train'
    assert named(['a.jpg'], folder).startswith('custom')
    for part in MINI_PARTS:
        (tmp_path / part).mkdir(parents=True)
    (folder / 'a.jpg').write_text('a picture')
    written = dict(
        sizes=dict(imagenet_train=1), fingerprint=embedded_print(tmp_path)
    )
    (tmp_path / 'mini.json').write_text(json.dumps(written))
    assert named(['a.jpg'], folder) == 'mini'
    (folder / 'a.jpg').write_text('another')  # as many, of other content
    assert named(['a.jpg'], folder).startswith('custom')
    (folder / 'a.jpg').write_text('a picture')
    assert named(['a.jpg', 'b.jpg'], folder).startswith('custom')
    other = tmp_path / 'mine/pictures'  # as many, of another folder
    assert named(['a.jpg'], other).startswith('custom')
    (tmp_path / 'mini.json').write_text('{"sizes": [["imagenet_train", 1]]}')
    assert named(['a.jpg'], folder).startswith('custom')
