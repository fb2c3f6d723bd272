"""Pairs: every key point is where the class's outline was drawn."""

import json
from itertools import permutations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from ssl_bench.data.mini import CLASSES, spair
from ssl_bench.data.mini.masks import extent
from ssl_bench.data.mini.paint import Item, Scene
from ssl_bench.data.mini.shapes import key_points, outline

from .conftest import SMALL

pytestmark = pytest.mark.slow

SPLITS = dict(trn=8, val=9, test=10)  # and the streams of their generators


@pytest.fixture(scope='module')
def home(mini):
    return mini.root / 'SPair-71k'


def annotations(home, split):
    """Annotations of a split's images, in the order of their numbers."""
    found = (home / 'ImageAnnotation').glob(f'*/{split}_*.json')
    return [json.loads(path.read_text()) for path in sorted(found, key=name)]


def name(path):
    return path.name


def pairs(home, split):
    lines = (home / f'Layout/large/{split}.txt').read_text().splitlines()
    folder = home / 'PairAnnotation' / split
    assert {f'{line}.json' for line in lines} == set(
        map(name, folder.iterdir())
    )
    return {
        line: json.loads((folder / f'{line}.json').read_text())
        for line in lines
    }


@pytest.mark.parametrize('label', range(len(CLASSES)))
def test_key_points_lie_on_the_outline(label):
    parts, points = outline(CLASSES[label]), key_points(CLASSES[label])
    starts = np.concatenate([part for part, _ in parts])
    steps = np.concatenate([np.roll(p, -1, axis=0) for p, _ in parts]) - starts
    away = points[:, None] - starts
    along = (away * steps).sum(2) / (steps**2).sum(1)
    gaps = away - along.clip(0, 1)[..., None] * steps
    # of the outline's side; the circles are polygons of 64 corners
    assert np.linalg.norm(gaps, axis=2).min(1).max() < 0.003
    assert len(points) >= 6 and len(np.unique(points.round(6), axis=0)) == len(
        points
    )


def test_points_of_all_images_are_one_drawing_of_the_class(home):
    """Of each image the best affine map of the class's points explains all."""
    seen = mirrored = 0
    for split in SPLITS:
        for image in annotations(home, split):
            shown = {k: xy for k, xy in image['kps'].items() if xy}
            if len(shown) < 4:
                continue
            there = np.array(list(shown.values())) + 0.5
            here = key_points(image['category'])[list(map(int, shown))]
            design = np.column_stack([here, np.ones(len(here))])
            fit, _, rank, _ = np.linalg.lstsq(design, there, rcond=None)
            if rank < 3:
                continue
            assert abs(design @ fit - there).max() < 1.0  # pixels
            mirror = np.linalg.det(fit[:2]) < 0
            assert not mirror or image['category'] == spair.CHIRAL
            seen, mirrored = seen + 1, mirrored + mirror
    assert seen > 40 and mirrored > 0


def test_points_and_boxes_are_of_what_shows(mini, home):
    hidden = 0
    for split, stream in SPLITS.items():
        for index, image in enumerate(annotations(home, split)):
            generator = np.random.default_rng((3, stream, index))
            scene, points, _ = spair.object_scene(
                generator, index % len(CLASSES), SMALL.px
            )
            assert image['kps'] == points
            assert image['bndbox'] == list(extent(scene.mask(0)))
            assert image['category'] == CLASSES[scene.items[0].label]
            near = binary_dilation(scene.mask(0), np.ones((3, 3)))
            for place in points.values():
                hidden += place is None
                assert place is None or near[place[1], place[0]]
            file = home / 'JPEGImages' / image['category'] / image['filename']
            with Image.open(file) as picture:
                assert picture.size == scene.image.size
                assert picture.size == (
                    image['image_width'],
                    image['image_height'],
                )
    assert hidden > 10


def test_a_point_shows_with_all_of_the_object_around_it():
    whole = np.zeros((8, 8), bool)
    whole[2:6, 2:6] = True
    owner = whole.astype(np.int32)
    owner[2:4, 4:6] = 0  # hidden by something
    scene = Scene(Image.new('RGB', (8, 8)), owner, [Item(0, 16, 12, 16, 0)])
    places = np.array(
        [
            [2.0, 2.0],  # a corner
            [6.2, 5.9],  # less than a pixel outside of one
            [5.5, 2.5],  # hidden
            [5.5, 4.5],  # next to what is hidden
            [8.4, 5.0],  # outside of the frame
            [0.5, 0.5],  # of nothing
        ]
    )
    found = spair.visible(scene, whole, places)
    assert found == {
        '0': [2, 2],
        '1': [6, 5],
        '2': None,
        '3': None,
        '4': None,
        '5': None,
    }


def test_pairs_are_of_one_class_and_split_and_have_the_images_points(home):
    for split in SPLITS:
        images = {a['filename']: a for a in annotations(home, split)}
        count = getattr(SMALL, f'spair_{split}')
        assert len(images) == count * len(CLASSES)
        found = pairs(home, split)
        wanted = sum(
            any(place and two['kps'][key] for key, place in one['kps'].items())
            for one, two in permutations(images.values(), 2)
            if one['category'] == two['category']
        )
        assert len(found) == wanted > 10
        for line, pair in found.items():
            source, target = (
                images[pair['src_imname']],
                images[pair['trg_imname']],
            )
            stems = [
                s['filename'].removesuffix('.jpg') for s in (source, target)
            ]
            number, *rest = line.split(':')[0].split('-')
            assert rest == stems and int(number) == pair['pair_id'] + 1
            assert line.split(':')[1] == pair['category'] == source['category']
            assert pair['category'] == target['category'] and source != target
            for prefix, image in (('src', source), ('trg', target)):
                assert pair[f'{prefix}_kps'] == [
                    image['kps'][key] for key in pair['kps_ids']
                ]
                assert None not in pair[f'{prefix}_kps']
                assert pair[f'{prefix}_bndbox'] == image['bndbox']
                assert pair[f'{prefix}_imsize'] == [
                    image['image_width'],
                    image['image_height'],
                    3,
                ]


def test_grades_of_a_pair():
    def image(**given):
        return (
            dict(
                filename='a.jpg',
                category='star',
                truncated=0,
                occluded=0,
                bndbox=[0, 0, 10, 20],
                pose='',
                image_width=9,
                image_height=9,
                image_depth=3,
                kps={'0': [1, 1], '1': None},
                angle=0.0,
                mirrored=False,
            )
            | given
        )

    easy = spair.pair_annotation(0, image(), image(filename='b.jpg'))
    names = (
        'viewpoint_variation',
        'scale_variation',
        'truncation',
        'occlusion',
        'mirror',
    )
    assert [easy[key] for key in names] == [0] * 5
    assert easy['filename'] == '000001-a-b:star'
    hard = spair.pair_annotation(
        4,
        image(truncated=1, kps={'0': [1, 1], '1': [2, 2]}),
        image(angle=-0.7, bndbox=[0, 0, 12, 5], occluded=1, mirrored=True),
    )
    assert [hard[key] for key in names] == [2, 2, 1, 2, 1]
    assert hard['kps_ids'] == ['0'] and hard['src_kps'] == [[1, 1]]
