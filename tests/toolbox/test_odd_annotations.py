"""Files in COCO's form as people have them: check and run agree on each.

Every case is refused by both with the same line, or read by both, what is
left out being counted; what is read can be scored.
"""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coding

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import CocoLayout, LvisLayout, Problem

SIDE, CLASSES = 60, ('a', 'b')
CORNERS = ((4, 6), (30, 20), (10, 33), (21, 15))


def polygon(x, y, side=20.0):
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def runs(ann, compressed=True, size=SIDE):
    found = coding.merge(coding.frPyObjects(ann['segmentation'], size, size))
    if compressed:
        return dict(size=[size, size], counts=found['counts'].decode())
    flat = coding.decode(found).ravel('F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    ends = [0, *([0] if flat[0] else []), *edges.tolist(), flat.size]
    return dict(size=[size, size], counts=np.diff(ends).tolist())


def content():
    """Four images, each with one object of each class."""
    images = [
        dict(
            id=index + 5,
            width=SIDE,
            height=SIDE,
            file_name=f'{index}.png',
            coco_url=f'http://x.org/images/{index}.png',
            neg_category_ids=[],
            not_exhaustive_category_ids=[],
        )
        for index in range(4)
    ]
    annotations = [
        dict(
            id=1 + 2 * index + label,
            image_id=index + 5,
            category_id=label + 1,
            bbox=[x + label, y, 20, 20],
            area=400,
            iscrowd=0,
            segmentation=[polygon(x + label, y)],
        )
        for index, (x, y) in enumerate(CORNERS)
        for label in (0, 1)
    ]
    categories = [
        dict(id=index + 1, name=name, frequency='f')
        for index, name in enumerate(CLASSES)
    ]
    return dict(images=images, annotations=annotations, categories=categories)


@pytest.fixture
def home(tmp_path):
    (tmp_path / 'images').mkdir()
    for index in range(4):
        Image.new('RGB', (SIDE, SIDE)).save(tmp_path / f'images/{index}.png')
    return tmp_path


def every(key, change):
    """A change of a field of all objects."""

    def apply(found):
        for ann in found['annotations']:
            ann[key] = change(ann)

    return apply


def first(**fields):
    """Other fields of the first object; ... takes one away."""
    return row('annotations', fields)


def image(**fields):
    return row('images', fields)


def row(which, fields):
    def apply(found):
        for key, value in fields.items():
            if value is ...:
                del found[which][0][key]
            else:
                found[which][0][key] = value

    return apply


def again(which, **fields):
    """The first row once more, with other fields."""

    def apply(found):
        found[which].append({**found[which][0], **fields})

    return apply


def corners(ann):
    x, y, width, height = ann['bbox']
    return [x, y, x + width, y + height]


def no_objects(found):
    found['annotations'].clear()


def text_images(found):
    for line in found['images']:
        line['id'] = str(line['id'])


def big_image(found):
    """A mask of a size that would end the process in pycocotools."""
    found['images'][0].update(width=10**9, height=10**9)
    found['annotations'][0]['segmentation'] = dict(
        size=[10**9, 10**9], counts=[10**18]
    )


LEFT, FINE = 'left out', ''
# a change of the file; what is said in training; and of a test
CASES = {
    'as it is': (lambda found: None, FINE, FINE),
    # masks
    'run lengths': (every('segmentation', runs), FINE, FINE),
    'counted runs': (
        every('segmentation', lambda ann: runs(ann, False)),
        FINE,
        FINE,
    ),
    'runs of another size': (
        first(segmentation=dict(size=[9, 9], counts=[81])),
        '1 objects with run lengths of another size than their image (skip',
        'another size than their image to be scored against, first id 1',
    ),
    'runs too short': (
        first(segmentation=dict(size=[SIDE, SIDE], counts=[5, 5])),
        *['run lengths do not fill'] * 2,
    ),
    'negative runs': (
        first(segmentation=dict(size=[SIDE, SIDE], counts=[3700, -100])),
        *['run lengths do not fill'] * 2,
    ),
    'a broken text of runs': (
        first(segmentation=dict(size=[SIDE, SIDE], counts='oooo')),
        *['run lengths do not fill'] * 2,
    ),
    'runs without size': (
        first(segmentation=dict(counts=[3600])),
        *['whose `segmentation` is not lists of numbers or run'] * 2,
    ),
    'runs of true': (
        first(segmentation=dict(size=[SIDE, SIDE], counts=[True, 3599])),
        *['whose `segmentation` is not'] * 2,
    ),
    'a size of 10^9': (big_image, *['run lengths do not fill'] * 2),
    'two points': (
        first(segmentation=[[1, 1, 9, 9]]),
        '1 objects with a mask of fewer than three points (skipped)',
        'mask of fewer than three points to be scored against, first id 1',
    ),
    'odd length': (
        first(segmentation=[[1, 1, 9, 1, 9, 9, 4]]),
        'fewer than three points (skipped)',
        'fewer than three points to be scored',
    ),
    'an empty polygon': (
        first(segmentation=[polygon(4, 6), []]),
        '1 parts of masks of fewer than three points (skipped)',
        'fewer than three points to be scored',
    ),
    'an empty mask': (
        first(segmentation=[]),
        '1 objects without mask (skipped)',
        'objects without mask to be scored against',
    ),
    'null for a mask': (
        first(segmentation=None),
        '1 objects without mask (skipped)',
        'objects without mask to be scored against',
    ),
    'a far point': (
        first(segmentation=[[1, 1, 1e12, 1, 9, 9]]),
        *['with a point over 100000 pixels away, first id 1'] * 2,
    ),
    # boxes
    'no area field': (first(area=...), *['annotations without `area`'] * 2),
    'no crowd field': (every('iscrowd', lambda ann: 0), FINE, FINE),
    'null for crowd': (every('iscrowd', lambda ann: None), FINE, FINE),
    'false for crowd': (every('iscrowd', lambda ann: False), FINE, FINE),
    'text for crowd': (
        first(iscrowd='0'),
        *['whose `iscrowd` is not 0 or 1, first id 1'] * 2,
    ),
    'two for crowd': (first(iscrowd=2), *['`iscrowd` is not 0 or 1'] * 2),
    'all crowd': (
        every('iscrowd', lambda ann: 1),
        *['all 8 objects are marked `iscrowd`'] * 2,
    ),
    'all ignored': (
        every('ignore', lambda ann: 1),
        'no image has an object to train on',
        "8 objects marked `ignore`, which COCO's scorer takes for objects",
    ),
    'no objects': (
        no_objects,
        'no image has an object to train on',
        'no image has an object to be scored against',
    ),
    'shares of the image': (
        every('bbox', lambda ann: [v / SIDE for v in ann['bbox']]),
        *['8 of 8 boxes lie between 0 and 1: they are shares'] * 2,
    ),
    'corners': (
        every('bbox', corners),
        *['would fit if they were x1, y1, x2, y2'] * 2,
    ),
    'outside': (
        every('bbox', lambda ann: [900, 900, 5, 5]),
        *['8 of 8 boxes have no area or lie outside'] * 2,
    ),
    'no area': (
        first(bbox=[1, 1, 0, 5]),
        '1 boxes of no area (skipped)',
        '1 boxes of no area, which count as missed',
    ),
    'three numbers': (
        first(bbox=[1, 1, 5]),
        *['whose `bbox` is not four numbers, first id 1'] * 2,
    ),
    'text for a number': (
        first(bbox=['1', 1, 5, 5]),
        *['whose `bbox` is not four numbers'] * 2,
    ),
    'true for a number': (
        first(bbox=[True, 1, 5, 5]),
        *['whose `bbox` is not four numbers'] * 2,
    ),
    'not a number': (
        first(bbox=[float('nan'), 1, 5, 5]),
        *['JSON has no NaN and no Infinity'] * 2,
    ),
    'infinite': (
        first(area=float('inf')),
        *['JSON has no NaN and no Infinity'] * 2,
    ),
    '400 digits': (
        first(bbox=[10**400, 1, 5, 5]),
        *['whose `bbox` is not four numbers, first id 1'] * 2,
    ),
    'an id of 400 digits': (
        first(image_id=10**400),
        *['whose `image_id` is not a whole number, first id 1'] * 2,
    ),
    # ids and names
    'id 0': (first(id=0), FINE, FINE),
    'whole ids as 1.0': (first(id=1.0, image_id=5.0), FINE, FINE),
    'text for an id': (
        first(id='1'),
        *["whose `id` is not a whole number, first id '1'"] * 2,
    ),
    'texts for image ids': (
        text_images,
        *['4 images whose `id` is not a whole number'] * 2,
    ),
    'an id twice': (
        again('annotations'),
        *['1 annotation ids twice, first id 1'] * 2,
    ),
    'an image id twice': (again('images'), *['1 image ids twice'] * 2),
    'an image twice': (
        again('images', id=99),
        *['1 images whose file was named before, first id 99'] * 2,
    ),
    'another category': (
        first(category_id=7),
        *['1 annotations of an unknown category'] * 2,
    ),
    'another image': (
        first(image_id=99),
        *['1 annotations of an unknown image'] * 2,
    ),
    'a category twice': (
        again('categories', id=9),
        *["1 category names twice, first 'a'"] * 2,
    ),
    'an empty class': (
        every('category_id', lambda ann: 1),
        *['1 of 2 classes have no object, first b'] * 2,
    ),
    'sizes as 60.0': (image(width=60.0, height=60.0), FINE, FINE),
    'sizes as 60.5': (
        image(width=60.5),
        *['images whose `width` is not a whole number, first id 5'] * 2,
    ),
    'no width': (image(width=...), *['1 images without `width`'] * 2),
    'no size': (image(width=0), *['1 images of no size'] * 2),
    'out of the folder': (
        image(file_name='../images/0.png'),
        *['leads out of the folder of images'] * 2,
    ),
    'null for a name': (
        image(file_name=None, coco_url=None),
        *['1 images without file name, first id 5'] * 2,
    ),
    'a number for a name': (
        image(file_name=3, coco_url=3),
        *['is not a text'] * 2,
    ),
}


def layout_of(home, kind):
    return kind(annotations=str(home / 'a.json'), images=str(home / 'images'))


def loader(home, scored, lvis=False):
    from ssl_bench.toolbox import instances

    kind = instances.LvisInstances if lvis else instances.CocoInstances
    return kind(
        data_root=str(home),
        ann_file='a.json',
        data_prefix=dict(img='' if lvis else 'images/'),
        metainfo=dict(classes=CLASSES),
        pipeline=[],
        test_mode=scored,
    )


def bitmap(ann):
    drawn = coding.frPyObjects([polygon(*ann['bbox'][:2])], SIDE, SIDE)
    return coding.decode(coding.merge(drawn))


def perfect(metric, dataset, found):
    """Scores of predictions that are the objects of a file."""
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        own = [
            ann
            for ann in found['annotations']
            if ann['image_id'] == info['img_id']
        ]
        boxes = torch.tensor([ann['bbox'] for ann in own]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        metric.process(
            {},
            [
                dict(
                    img_id=info['img_id'],
                    ori_shape=(info['height'], info['width']),
                    pred_instances=dict(
                        bboxes=boxes.float(),
                        labels=torch.tensor(
                            [ann['category_id'] - 1 for ann in own],
                            dtype=torch.long,
                        ),
                        scores=torch.ones(len(own)),
                        masks=torch.tensor(
                            np.array([bitmap(ann) for ann in own])
                        ).reshape(-1, SIDE, SIDE),
                    ),
                )
            ],
        )
    return metric.evaluate(len(dataset))


@pytest.mark.parametrize('scored', [False, True], ids=['train', 'test'])
@pytest.mark.parametrize('name', CASES)
def test_check_and_run_agree(registered, home, name, scored):
    from ssl_bench.toolbox.check_data import check_files
    from ssl_bench.toolbox.coco_scores import ExactCocoMetric

    change, *words = CASES[name]
    found = content()
    change(found)
    (home / 'a.json').write_text(json.dumps(found))
    lines = layout_of(home, CocoLayout).check(scored)
    assert all('\n' not in line for line in lines)
    problems = [line for line in lines if isinstance(line, Problem)]
    if words[scored]:
        assert words[scored] in ' '.join(lines)
    else:
        assert lines == []
    if problems:
        with pytest.raises(UserError) as caught:
            loader(home, scored)
        assert str(caught.value).startswith(problems[0])
        return
    dataset = loader(home, scored)
    said = ' '.join(check_files(None, dataset))
    for line in lines:  # the record says what the check says
        words = re.sub(r' \(skipped\).*', '', line.split('json: ')[1])
        assert words.split(', first')[0] in said
    if scored:
        metric = ExactCocoMetric(
            ann_file=str(home / 'a.json'), metric=['bbox', 'segm']
        )
        scores = perfect(metric, dataset, found)
        assert scores['coco/bbox_mAP'] > 0.6
        if lines == []:
            assert scores['coco/bbox_mAP'] == scores['coco/segm_mAP'] == 1


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'it is empty'),
        ('[]', 'Expected `object`, got `array`'),
        ('{}', 'missing required field `images`'),
        ('{"images": 3, "annotations": [], "categories": []}', 'got `int`'),
        ('{"images": [', 'it ends too early'),
        ('{"images": [}', 'JSON is malformed'),
        ('[' * 10**6, 'Expected `object`'),
        ('{"info":' + '[' * 10**6, 'nested too deep'),
        ('{"images": [1], "annotations": [], "categories": []}', 'Expected'),
        ('{"a": "\udcff"}', 'missing required field'),
    ],
    ids=range(10),
)
def test_files_that_are_not_of_this_form(registered, home, text, words):
    (home / 'a.json').write_bytes(text.encode('utf-8', 'surrogateescape'))
    layout = layout_of(home, CocoLayout)
    line = layout.check()[0]
    assert words in line and len(line.splitlines()) == 1 and len(line) < 500
    with pytest.raises(UserError) as caught:
        loader(home, False)
    assert str(caught.value).startswith(line)


def test_a_folder_for_a_file(home):
    (home / 'a.json').mkdir()
    assert 'it is not a file' in layout_of(home, CocoLayout).check()[0]


def test_a_byte_order_mark_and_names(registered, home):
    """Blanks and other letters in names, folders below the folder."""
    found = content()
    names = ['my photo 1.png', 'häuser/ä 日.png', '._a/0.png', 'a//b.png']
    for index, (line, name) in enumerate(zip(found['images'], names)):
        line['file_name'] = name
        path = home / 'images' / name
        path.parent.mkdir(exist_ok=True)
        (home / f'images/{index}.png').rename(path)
    text = json.dumps(found, ensure_ascii=False)
    (home / 'a.json').write_text(text, encoding='utf-8-sig')
    assert layout_of(home, CocoLayout).check(every=True) == []
    dataset = loader(home, False)
    paths = [dataset.get_data_info(index)['img_path'] for index in range(4)]
    assert paths == [f'{home}/images/{name}' for name in names]


def test_images_of_another_size(registered, home):
    Image.new('RGB', (SIDE, 30)).save(home / 'images/2.png')
    (home / 'a.json').write_text(json.dumps(content()))
    (line,) = layout_of(home, CocoLayout).check()
    assert '2.png: has 60 x 30 pixels, its annotation says 60 x 60' in line


LVIS_CASES = {
    'as it is': (lambda found: None, FINE),
    'no negatives': (
        image(neg_category_ids=...),
        '1 images without `neg_category_ids` or `not_exhaustive_category_ids`',
    ),
    'no frequency': (
        row('categories', dict(frequency=...)),
        '1 categories whose `frequency` is not r, c or f, first a',
    ),
    'no address': (image(coco_url=...), '1 images without file name'),
    'only an address': (image(file_name=...), FINE),
    'all ignored': (
        every('ignore', lambda ann: 1),
        'no image has an object to be scored against',
    ),
    'no crowd field': (first(iscrowd=...), FINE),
    'id 0': (first(id=0), FINE),
    'text for an id': (first(image_id='5'), '`image_id` is not a whole'),
}


@pytest.mark.parametrize('name', LVIS_CASES)
def test_lvis_check_and_run_agree(registered, home, name):
    pytest.importorskip('lvis')
    from ssl_bench.toolbox.lvis import LvisMetric

    change, words = LVIS_CASES[name]
    found = content()
    change(found)
    (home / 'a.json').write_text(json.dumps(found))
    layout = LvisLayout(annotations=str(home / 'a.json'), images=str(home))
    lines = layout.check(scored=True)
    if words:
        assert words in lines[0]
        with pytest.raises(UserError) as caught:
            loader(home, True, lvis=True)
        assert str(caught.value).startswith(lines[0])
        return
    assert lines == []
    metric = LvisMetric(ann_file=str(home / 'a.json'), metric=['bbox', 'segm'])
    scores = perfect(metric, loader(home, True, lvis=True), found)
    assert scores['lvis/bbox_AP'] == pytest.approx(1)
