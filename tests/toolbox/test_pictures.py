"""Predictions are drawn at the right places, in the right colours."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import BaseDataElement, InstanceData, PixelData
from PIL import Image, ImageColor

from ssl_bench.data.legend import LINE
from ssl_bench.results.embedding import contents, decode
from ssl_bench.sheet_file import PREDICTIONS, save_sheet
from ssl_bench.toolbox.drawing import (
    RIGHT,
    SIDE,
    WRONG,
    blend_labels,
    colour_of,
    draw_instances,
    draw_sample,
)
from ssl_bench.toolbox.pictures import (
    MAX_CLASSES,
    Named,
    PicturesHook,
    sheet_of,
    short_legend,
    short_names,
)

META = dict(
    classes=('background', 'dog', 'cat'),
    palette=[(10, 20, 30), (200, 100, 0), (0, 0, 90)],
)
DOG, CAT = META['palette'][1:]


def sample_of(path, **fields):
    sample = BaseDataElement()
    sample.set_field(str(path), 'img_path', field_type='metainfo')
    for name, value in fields.items():
        setattr(sample, name, value)
    return sample


@pytest.fixture
def black(tmp_path):
    path = tmp_path / 'image.png'
    Image.new('RGB', (40, 20)).save(path)
    return path


def boxes_of(scores, labels=None):
    count = len(scores)
    return InstanceData(
        bboxes=torch.tensor(
            [[4.0 * i, 2, 4 * i + 3, 15] for i in range(count)]
        ),
        labels=torch.tensor(labels or [1] * count),
        scores=torch.tensor(scores),
    )


def has(image, colour):
    return bool((np.asarray(image) == colour).all(-1).any())


def test_labels_are_blended():
    image = Image.new('RGB', (SIDE, SIDE), (100, 100, 100))
    labels = np.zeros((SIDE, SIDE), np.int64)
    labels[:100] = 1
    labels[-100:] = 255
    drawn = np.asarray(blend_labels(image, labels, META))
    # 0.4 * 100 + 0.6 * colour, to a rounding
    assert np.abs(drawn[50, 5] - np.array([160, 100, 40])).max() <= 1
    assert (drawn[SIDE // 2, 5] == 100).all()
    assert np.abs(drawn[-50, 5] - np.array(193)).max() <= 1


def test_the_first_class_has_a_colour_where_it_is_no_background():
    image = Image.new('RGB', (SIDE, SIDE), (100, 100, 100))
    road = dict(classes=('road',), palette=[(128, 64, 128)])
    labels = np.zeros((SIDE, SIDE), np.int64)
    drawn = np.asarray(blend_labels(image, labels, road))
    assert np.abs(drawn[5, 5] - np.array([117, 78, 117])).max() <= 1


def test_an_image_without_labels():
    image = Image.new('RGB', (SIDE, SIDE), (7, 8, 9))
    drawn = blend_labels(image, np.zeros((SIDE, SIDE), int), META)
    assert drawn.tobytes() == image.tobytes()


def test_boxes_and_masks():
    image = Image.new('RGB', (SIDE // 2, SIDE // 2), 'black')
    mask = np.zeros((1, SIDE // 2, SIDE // 2), np.uint8)
    mask[0, 100:110, 100:110] = 1
    for masks in (BitmapMasks(mask, *mask.shape[1:]), torch.tensor(mask > 0)):
        instances = InstanceData(
            bboxes=torch.tensor([[20.0, 60.0, 40.0, 80.0]]),
            labels=torch.tensor([1]),
            scores=torch.tensor([0.5]),
            masks=masks,
        )
        drawn = np.asarray(draw_instances(image, instances, META))
        assert drawn.shape == (SIDE, SIDE, 3)  # twice as large
        assert tuple(drawn[140, 40]) == DOG  # left edge of the box
        assert tuple(drawn[210, 210]) == (100, 50, 0)  # inside the mask
        assert not drawn[140, 60].any()  # inside the box


def test_boxes_below_the_score_are_not_drawn(black):
    sample = sample_of(
        black,
        gt_instances=boxes_of([1.0, 1.0], [1, 2]),
        pred_instances=boxes_of([0.9, 0.1], [2, 1]),
    )
    drawn = draw_sample(sample, META, 0.3, 3)
    assert drawn.note == ''
    assert has(drawn.truth, DOG) and has(drawn.truth, CAT)
    assert has(drawn.predicted, CAT) and not has(drawn.predicted, DOG)


def edges(image, colour):
    """Where boxes begin on a line that no label crosses."""
    line = (np.asarray(image)[76] == colour).all(-1)
    return np.flatnonzero(line & ~np.roll(line, 1)).tolist()


def test_the_best_boxes_are_drawn_if_none_has_the_score(black):
    scores = [0.01, 0.2, 0.1, 0.05, 0.15]
    found = boxes_of(scores)
    sample = sample_of(
        black, gt_instances=boxes_of([1.0]), pred_instances=found
    )
    drawn = draw_sample(sample, META, 0.3, 3)
    assert drawn.note == 'none above 0.3: the 3 best'
    scale = SIDE / 40
    wanted = [
        round(x * scale)
        for i in (1, 2, 4)  # by their score
        for x in (4 * i, 4 * i + 3)
    ]
    assert np.abs(np.subtract(edges(drawn.predicted, DOG), wanted)).max() <= 2
    sample.pred_instances = found[:1]
    assert draw_sample(sample, META, 0.3, 3).note == (
        'none above 0.3: the best one'
    )
    sample.pred_instances = found[:0]
    assert draw_sample(sample, META, 0.3, 3).note == 'no boxes'


def test_two_short_runs_have_different_sheets(black):
    """Nothing passes the threshold in either; both used to be empty."""
    sheets = []
    for scores in ([0.1, 0.05, 0.02, 0.01], [0.01, 0.02, 0.05, 0.1]):
        sample = sample_of(
            black,
            gt_instances=boxes_of([1.0]),
            pred_instances=boxes_of(scores),
        )
        drawn = draw_sample(sample, META, 0.3, 2)
        sheets.append(sheet_of([Named(str(black), drawn)])[0].tobytes())
    assert sheets[0] != sheets[1]


def test_a_colour_of_the_legend_is_that_of_the_boxes(black):
    sample = sample_of(
        black,
        gt_instances=boxes_of([1.0]),
        pred_instances=boxes_of([0.9], [2]),
    )
    drawn = draw_sample(sample, META, 0.3, 3)
    sheet, said = sheet_of([Named(str(black), drawn)])
    colours = {text: colour for colour, text in said.legend if colour}
    assert set(colours) == {'dog', 'cat'}
    assert 'from 0.3 on' in said.legend[0][1]
    head = sheet.crop((0, 0, sheet.width, 2 * LINE + 2))
    for name, side in (('dog', drawn.truth), ('cat', drawn.predicted)):
        colour = ImageColor.getrgb(colours[name])
        assert has(head, colour) and has(side, colour)


@pytest.mark.parametrize(
    'label, text, colour', [(1, 'right', RIGHT), (2, 'wrong', WRONG)]
)
def test_right_and_wrong_classes(black, label, text, colour):
    sample = sample_of(
        black, gt_label=torch.tensor([1]), pred_label=torch.tensor([label])
    )
    sample.pred_score = torch.tensor([0.1, 0.7, 0.2])
    drawn = draw_sample(sample, META, 0.3, 3)
    assert (
        ImageColor.getrgb(next(c for c, word in drawn.legend if word == text))
        == colour
    )
    assert drawn.predicted.getpixel((SIDE - 2, 70)) == colour
    assert not has(drawn.truth, colour)
    assert drawn.note == f'{META["classes"][label]}: {text}, 0.70'


def test_segmentation_names_the_classes_that_are_there(black):
    truth = torch.zeros(1, 20, 40, dtype=torch.long)
    truth[0, :5], truth[0, 15:] = 2, 255
    sample = sample_of(
        black,
        gt_sem_seg=PixelData(data=truth),
        pred_sem_seg=PixelData(data=torch.zeros_like(truth)),
    )
    legend = draw_sample(sample, META, 0.3, 3).legend
    assert legend == [
        ('#00005a', 'cat'),
        ('', 'White is not labelled.'),
        ('', 'Background has no colour.'),
    ]


def test_classes_without_a_palette_have_colours():
    """LVIS names none for its 1,203 classes."""
    for palette in (None, 'random', [(1, 2, 3)]):
        meta = dict(classes=range(9), palette=palette)
        assert len({colour_of(n, meta) for n in range(9)}) == 9


def test_tiles_are_where_the_sheet_says(tmp_path):
    images = []
    for i, colour in enumerate(('red', 'green', 'blue')):
        path = tmp_path / f'{i}.png'
        Image.new('RGB', (40, 20 + 10 * i), colour).save(path)
        sample = sample_of(
            path, gt_instances=boxes_of([1.0]), pred_instances=boxes_of([0.1])
        )
        images.append(Named(str(path), draw_sample(sample, META, 0.3, 3)))
    sheet, said = sheet_of(images, seed=2)
    path = str(tmp_path / 'sheet.png')
    save_sheet(sheet, path, said)
    decoded, read = decode(path), contents(path)
    assert (read.kind, read.seed) == (PREDICTIONS, 2)
    assert list(read.tiles) == said.tiles
    assert list(read.legend) == said.legend
    assert [(tile.image, tile.column) for tile in read.tiles] == [
        (f'{i}.png', column)
        for i in range(3)
        for column in ('truth', 'predicted')
    ]
    for tile, (_, drawn) in zip(read.tiles[::2], images):
        assert decoded.crop(tile.box).tobytes() == drawn.truth.tobytes()
    for tile, (_, drawn) in zip(read.tiles[1::2], images):
        cut = decoded.crop(tile.box)
        assert cut.tobytes() == drawn.predicted.tobytes()
        assert tile.note == 'none above 0.3: the best one'


def test_names_of_images():
    assert short_names(['a/x.png', 'a/y.png']) == ['x.png', 'y.png']
    assert short_names(['fog/1/x.png', 'snow/1/x.png']) == [
        'fog/1/x.png',
        'snow/1/x.png',
    ]
    assert short_names(['x.png', 'x.png']) == ['x.png', 'x.png #2']


def test_long_legends_say_how_many_are_left_out():
    entries = [(f'#0000{n:02x}', f'class {n}') for n in range(40)]
    shown = short_legend([*entries, ('', 'text'), *entries])
    assert shown[0] == ('', 'text') and len(shown) == MAX_CLASSES + 2
    assert shown[-1] == ('', 'and 10 more classes')


class Images(list):
    metainfo = META


@pytest.mark.parametrize('broken', [False, True])
def test_what_cannot_be_drawn_is_a_warning(tmp_path, black, caplog, broken):
    runner = SimpleNamespace(
        test_dataloader=SimpleNamespace(dataset=Images(range(4))),
        work_dir=str(tmp_path),
        rank=0,
        seed=1,
        logger=logging.getLogger('test'),
    )
    hook = PicturesHook(2)
    hook.before_test(runner)
    path = tmp_path / 'none.png' if broken else black
    sample = sample_of(
        path, gt_instances=boxes_of([1.0]), pred_instances=boxes_of([0.9])
    )
    for batch in range(2):
        hook.after_test_iter(runner, batch, None, [sample, sample])
    hook.after_test(runner)
    there = (tmp_path / 'predictions.png').exists()
    assert there is not broken
    assert ('no picture of the predictions' in caplog.text) is broken
    if there:
        said = contents(str(tmp_path / 'predictions.png'))
        assert [tile.image for tile in said.tiles] == [
            'image.png',
            'image.png',
            'image.png #2',
            'image.png #2',
        ]
