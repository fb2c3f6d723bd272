"""Which pictures the page shows, of whom, and what of a bad one."""

import base64
import io
import json
import random
import weakref

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ssl_bench.errors import UserError
from ssl_bench.results import embedding, pictures, write_record
from ssl_bench.results.board import build
from ssl_bench.results.page_data import page_data
from ssl_bench.results.pictures import find_pictures
from ssl_bench.results.sheets import MAX_TILES, contents_of
from ssl_bench.results.store import scan
from ssl_bench.sheet_file import CHUNK
from tests.faults.records import mutate_values
from tests.results.drawn_sheets import (
    HEIGHT,
    WIDTH,
    leave_predictions,
    leave_views,
)
from tests.results.factory import METHODS, make_record, suite

TASKS = 'mini_seg_fcn', 'mini_voc_det_c4'
COLOURS = dict(
    zip(
        [name for name, _, _ in METHODS],
        ('red', 'lime', 'blue', 'cyan', 'grey'),
    )
)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Five methods, two tasks, three seeds, each with a sheet."""
    top = tmp_path_factory.mktemp('runs')
    for record in suite(METHODS, TASKS):
        folder = top / record['run_id']
        write_record(folder, record)
        leave_predictions(
            folder,
            COLOURS[record['method']],
            note='none above 0.3: the 3 best',
            seed=record['seed'],
        )
    for seed in (0, 1):
        leave_views(top / f'InsLoc_seed{seed}', 'InsLoc', seed=seed)
    leave_views(top / 'any_name', 'PixPro', seed=4)
    return top


def found_in(top):
    return find_pictures([top], build(*scan([top])).measured)


def colour_of(picture):
    data = base64.b64decode(picture.source.split(',')[1])
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == picture.size
        return image.convert('RGB').getpixel((WIDTH // 2, HEIGHT // 2))


def near(colour, name):
    wanted = Image.new('RGB', (1, 1), name).getpixel((0, 0))
    return max(abs(a - b) for a, b in zip(colour, wanted)) < 12


def test_every_method_has_its_tile_of_every_image(runs):
    found = found_in(runs)
    tiles = [p for p in found.pictures if p.column]
    for task in TASKS:
        own = [p for p in tiles if p.task == task]
        truths = [p for p in own if p.column == 'truth']
        assert [p.image for p in truths] == ['0.jpg', '1.jpg', '2.jpg']
        assert all(near(colour_of(p), 'white') for p in truths)
        assert {(p.method, p.name, p.seed) for p in truths} == {('', '', None)}
        for name, colour in COLOURS.items():
            label = 'InsLoc (FPN)' if name == 'InsLoc' else name
            of_method = [p for p in own if p.name == label]
            assert [p.image for p in of_method] == ['0.jpg', '1.jpg', '2.jpg']
            assert {p.seed for p in of_method} == {0}
            assert all(near(colour_of(p), colour) for p in of_method)
            assert of_method[0].note == 'none above 0.3: the 3 best'
            assert 'predicts on 0.jpg; none above' in of_method[0].alt
    assert found.problems == []
    assert found.notes[1] == (
        'Predictions: the first seed of each method; 20 of other seeds lie '
        'next to their records.'
    )
    assert set(found.legends) == set(TASKS)
    assert ('#c86400', 'dog') in found.legends['mini_seg_fcn']


def test_the_page_finds_the_rows_of_a_picture(runs):
    board = build(*scan([runs]))
    data = page_data(board, [runs])
    rows = {(row['id'], row['task']): row for row in data['rows']}
    for picture in data['pictures']:
        if picture['column'] == 'predicted':
            row = rows[picture['method'], picture['task']]
            assert row['name'] == picture['name']
    assert {item['task'] for item in data['picture_legends']} == set(TASKS)
    json.dumps(data, allow_nan=False)


def test_views_belong_to_the_method_of_the_config(runs):
    """By the folder, or by what the sheet says."""
    views = [p for p in found_in(runs).pictures if p.kind == 'views']
    assert [(p.name, p.seed, p.task) for p in views] == [
        ('InsLoc (FPN)', 0, ''),
        ('PixPro', 4, ''),
    ]
    assert views[0].alt == (
        'What InsLoc (FPN) sees of training images in pretraining'
    )
    assert views[0].legend == (('#00d26a', "the query's crop"),)
    assert views[0].caption == 'InsLoc (FPN) · seed 0 · views'


def test_limits_leave_a_fair_share(runs, monkeypatch):
    monkeypatch.setitem(pictures.MAX_FILES, 'predictions', 4)
    found = found_in(runs)
    tiles = [p for p in found.pictures if p.column == 'predicted']
    shown = {(p.task, p.name) for p in tiles}
    names = {name for _, name in shown}
    assert shown == {(task, name) for task in TASKS for name in names}
    assert len(names) == 2
    [problem] = found.problems
    assert problem.message == (
        'Predictions: 10 sheets; the page shows 4, a fair share for each '
        'method and task'
    )


def test_a_full_page_leaves_out_whole_rows(runs, monkeypatch):
    every = found_in(runs).pictures
    one_row = sum(
        len(p.source)
        for p in every
        if p.task == TASKS[0] and p.image == '0.jpg'
    )
    monkeypatch.setitem(pictures.MAX_LENGTH, 'predictions', one_row * 5 // 2)
    found = found_in(runs)
    tiles = [p for p in found.pictures if p.column]
    assert len(tiles) == 2 * 6  # one row of each task
    assert {p.image for p in tiles} == {'0.jpg'}
    assert '4 test images left out' in found.problems[0].message


def test_a_full_page_leaves_out_whole_sheets(tmp_path, monkeypatch):
    for name in ('a', 'b'):
        leave_views(tmp_path / name, name, seed=5)
    first = find_pictures([tmp_path], []).pictures[0]
    length = len(first.source) * 3 // 2
    monkeypatch.setitem(pictures.MAX_LENGTH, 'views', length)
    found = find_pictures([tmp_path], [])
    [picture] = found.pictures
    # no record names the config: it stands for the method
    assert (picture.name, picture.seed, picture.method) == ('a', 5, '')
    assert 'Views: 1 sheets left out' in found.problems[0].message


def test_images_that_only_some_methods_have_come_last(tmp_path):
    for name, images in (('MoCo v2', 2), ('PixPro', 4)):
        record = make_record(name, task='mini_seg_fcn')
        write_record(tmp_path / name, record)
        leave_predictions(tmp_path / name, 'red', images)
    tiles = [p for p in found_in(tmp_path).pictures if p.column == 'predicted']
    assert [(p.image, p.name) for p in tiles] == [
        ('0.jpg', 'MoCo v2'),
        ('0.jpg', 'PixPro'),
        ('1.jpg', 'MoCo v2'),
        ('1.jpg', 'PixPro'),
        ('2.jpg', 'PixPro'),
        ('3.jpg', 'PixPro'),
    ]


def test_an_old_sheet_is_shown_whole(tmp_path):
    write_record(tmp_path / 'run', make_record(task='mini_seg_fcn', seed=2))
    Image.new('RGB', (300, 200)).save(tmp_path / 'run' / 'predictions.png')
    [picture] = found_in(tmp_path).pictures
    assert (picture.kind, picture.column, picture.image) == (
        'predictions',
        '',
        '',
    )
    assert picture.caption == 'MoCo v2 · mini_seg_fcn · seed 2 · predictions'


def test_sheets_next_to_the_runs_are_named_by_their_config(tmp_path):
    record = make_record('InsLoc', 'FPN')
    record['pretrain']['config'] = 'configs/mini/insloc_r18_fpn.py'
    write_record(tmp_path / 'run', record)
    Image.new('RGB', (30, 20)).save(tmp_path / 'views_insloc_r18_fpn.png')
    [picture] = found_in(tmp_path).pictures
    assert (picture.kind, picture.name) == ('views', 'InsLoc (FPN)')


WHOLE = dict(
    kind='predictions',
    legend=[['#00005a', 'cat']],
    tiles=[dict(image='a', column='truth', box=[0, 0, 5, 5], note='')],
    config='',
    seed=0,
)


@pytest.mark.parametrize(
    'change',
    [
        dict(kind='?'),
        dict(kind=None),
        dict(seed=-1),
        dict(seed=True),
        dict(seed='x'),
        dict(legend=[['red', 'cat']]),
        dict(legend=[['#00005a', 3]]),
        dict(legend=[['#00005a']]),
        dict(legend={}),
        dict(legend=[['', 'a']] * 1000),
        dict(config=['a']),
        dict(tiles=[{}]),
        dict(tiles=WHOLE['tiles'] * (MAX_TILES + 1)),
        dict(tiles=[dict(WHOLE['tiles'][0], box=[0, 0, 99, 5])]),
        dict(tiles=[dict(WHOLE['tiles'][0], box=[3, 0, 3, 5])]),
        dict(tiles=[dict(WHOLE['tiles'][0], box=[0, 0, 5.5, 5])]),
        dict(tiles=[dict(WHOLE['tiles'][0], box=[-1, 0, 5, 5])]),
        dict(tiles=[dict(WHOLE['tiles'][0], box='0123')]),
        dict(tiles=[dict(WHOLE['tiles'][0], column='__proto__')]),
        dict(tiles=[dict(WHOLE['tiles'][0], image=[])]),
    ],
)
def test_texts_that_do_not_fit_are_refused(change):
    assert contents_of({CHUNK: json.dumps(WHOLE)}, (10, 10)).tiles
    with pytest.raises(UserError):
        contents_of({CHUNK: json.dumps({**WHOLE, **change})}, (10, 10))


@pytest.mark.parametrize(
    'text', ['', '[', '{}', '3', 'null', '{"kind": NaN}', '[' * 9000, '\ud800']
)
def test_texts_that_are_no_contents_are_named(tmp_path, text):
    path = tmp_path / 'predictions.png'
    info = PngInfo()
    info.add(
        b'iTXt',
        CHUNK.encode() + b'\0\0\0\0\0' + text.encode('utf-8', 'surrogatepass'),
    )
    Image.new('RGB', (9, 9)).save(path, pnginfo=info)
    found = find_pictures([tmp_path], [])
    # Pillow passes over a text that is no UTF-8: the sheet is shown whole
    if text == '\ud800':
        assert len(found.pictures) + len(found.problems) == 1
        return
    assert found.pictures == []
    assert found.problems[0].paths == (str(path),)


def test_damaged_pixels_are_named(tmp_path):
    write_record(tmp_path / 'run', make_record(task='mini_seg_fcn'))
    leave_predictions(tmp_path / 'run', 'red')
    path = tmp_path / 'run' / 'predictions.png'
    path.write_bytes(path.read_bytes()[:-60])
    found = found_in(tmp_path)
    assert found.pictures == []
    assert found.problems[0].paths == (str(path),)
    assert 'cannot be read as a picture' in found.problems[0].message


def test_one_sheet_at_a_time_is_in_memory(runs, monkeypatch):
    """48 of 50 million pixels would take 7 GB."""
    refs, most = [], []

    def decode(path):
        image = embedding.decode(path)
        refs.append(weakref.ref(image))
        most.append(sum(ref() is not None for ref in refs))
        return image

    monkeypatch.setattr(pictures, 'decode', decode)
    assert found_in(runs).problems == []
    assert len(most) > 10 and max(most) <= 2


def test_any_change_of_the_text_is_read_or_refused():
    refused = 0
    for seed in range(400):
        dice = random.Random(seed)
        text = json.dumps(mutate_values(json.loads(json.dumps(WHOLE)), dice))
        try:
            contents = contents_of({CHUNK: text}, (10, 10))
        except UserError:
            refused += 1
        else:
            assert all(tile.image.isprintable() for tile in contents.tiles)
    assert 50 < refused < 400


def test_a_text_that_unpacks_to_more_than_it_may(tmp_path):
    info = PngInfo()
    info.add_itxt(CHUNK, ' ' * 9_000_000, zip=True)
    Image.new('RGB', (9, 9)).save(tmp_path / 'views.png', pnginfo=info)
    found = find_pictures([tmp_path], [])
    assert found.pictures == [] and len(found.problems) == 1


def test_what_a_file_carries_besides_pixels_stays_out(tmp_path):
    """Places and names of cameras, and paths, are not on the page."""
    info = PngInfo()
    info.add_text('place', 'SECRET')
    Image.new('RGB', (9, 9)).save(tmp_path / 'views.png', pnginfo=info)
    [picture] = find_pictures([tmp_path], []).pictures
    assert b'SECRET' not in base64.b64decode(picture.source.split(',')[1])


def test_hostile_names_are_cut_and_printable(tmp_path):
    tile = dict(
        image='\x1b[2J' + 'x' * 5000,
        column='predicted',
        box=[0, 0, 5, 5],
        note='<script>',
    )
    contents = contents_of(
        {CHUNK: json.dumps({**WHOLE, 'tiles': [tile]})}, (9, 9)
    )
    assert contents.tiles[0].image.isprintable()
    assert len(contents.tiles[0].image) <= 200


def test_large_pictures_are_scaled(tmp_path):
    image = Image.new('RGB', (4000, 100))
    source, size = embedding.address(image)
    assert size == (1600, 40) and source.startswith('data:image/webp;base64,')
