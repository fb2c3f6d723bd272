"""Pictures on the page, in a real browser: by task, method and key."""

import pytest

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.store import scan
from tests.results.browsing import data, js, open_board, open_page, press, size
from tests.results.drawn_sheets import leave_predictions, leave_views
from tests.results.factory import make_record, suite

EVIL = '<script>alert(1)</script>'
TASKS = 'mini_voc_det_c4', 'mini_seg_fcn'
METHODS = (
    ('Random init', '', -9.0),
    ('MoCo v2', '', 0.0),
    ('A, b & c=%41', '', 1.0),
)


@pytest.fixture(scope='module')
def shown(browser, tmp_path_factory):
    """The page of three methods with sheets of two tasks."""
    top = tmp_path_factory.mktemp('pictures')
    for record in suite(METHODS, TASKS):
        folder = top / record['run_id']
        write_record(folder, record)
        place = [name for name, _, _ in METHODS].index(record['method'])
        leave_predictions(
            folder,
            (200, 80 * place, 0),
            note='none above 0.3: the 3 best' if place == 1 else '',
            seed=record['seed'],
            legend=[('#00ff00', f'of {record["task"]}')],
        )
    leave_views(top / 'MoCov2_seed0', 'MoCov2')
    open_board(browser, top / 'page.html', build(*scan([top])), [top])
    return top / 'page.html'


@pytest.fixture
def opened(browser, shown):
    open_page(browser, shown)
    yield browser
    assert browser.get_log('browser') == []


def texts(browser, selector):
    return [
        node.text for node in browser.find_elements('css selector', selector)
    ]


def heads(browser):
    return [text.split('\n')[0] for text in texts(browser, '.tiles thead th')]


def test_test_images_are_rows_and_methods_columns(opened):
    columns = heads(opened)
    assert columns[:2] == ['Test image', 'Truth']
    assert set(columns[2:]) == {name for name, _, _ in METHODS}
    assert texts(opened, '.tiles tbody th') == ['0.jpg', '1.jpg', '2.jpg']
    entries = data(opened)['pictures']
    cells = js(
        opened,
        'return [...document.querySelectorAll(".tiles tbody tr")].map(r => '
        '[...r.querySelectorAll("img")].map(i => [i.src, i.alt]))',
    )
    assert len(cells) == 3
    for row, image in zip(cells, ('0.jpg', '1.jpg', '2.jpg')):
        wanted = {
            p['name']: [p['source'], p['alt']]
            for p in entries
            if p['task'] == TASKS[0] and p['image'] == image
        }
        assert row == [wanted[name] for name in ['', *columns[2:]]]
    noted = columns.index('MoCo v2')
    row = opened.find_elements('css selector', '.tiles tbody tr')[0]
    cell = row.find_elements('css selector', 'th, td')[noted]
    assert cell.text == 'none above 0.3: the 3 best'
    assert texts(opened, '.tiled .swatches') == ['of mini_voc_det_c4']


def test_every_picture_decodes(opened):
    for task in (*TASKS, 'all'):
        js(
            opened,
            'const s = document.getElementById("picture-task");'
            's.value = arguments[0];'
            's.dispatchEvent(new Event("change"))',
            task,
        )
        widths = opened.execute_async_script(
            'const done = arguments[0];'
            'const all = [...document.querySelectorAll("#pictures img")];'
            'Promise.all(all.map(i => i.decode())).then(() => done('
            'all.map(i => i.naturalWidth)))'
        )
        assert len(widths) == 1 + 12 * (2 if task == 'all' else 1)
        assert set(widths) == {60, 90}
    assert len(texts(opened, '.tiled')) == 2


def test_what_is_chosen_stands_in_the_address(opened):
    boxes = opened.find_elements('css selector', '#picture-methods input')
    assert len(boxes) == 3
    for box in boxes:
        if box.get_attribute('value') == 'A, b & c=%41':
            box.click()
    js(
        opened,
        'const s = document.getElementById("picture-task");'
        's.value = arguments[0]; s.dispatchEvent(new Event("change"))',
        TASKS[1],
    )
    assert set(heads(opened)[2:]) == {'Random init', 'MoCo v2'}
    address = js(opened, 'return location.href')
    assert f'pic_task={TASKS[1]}' in address
    open_page(opened, address)
    assert set(heads(opened)[2:]) == {'Random init', 'MoCo v2'}
    assert texts(opened, '.tiled h3') == ['Mini FCN segmentation']
    checked = js(
        opened,
        'return [...document.querySelectorAll("#picture-methods input")]'
        '.filter(b => !b.checked).map(b => b.value)',
    )
    assert checked == ['A, b & c=%41']


@pytest.mark.parametrize(
    'hash',
    ['pic_task=none', 'pic_without=%25E0%25A4%25A', 'pic_task=%E0%A4%A'],
)
def test_a_damaged_address_shows_what_there_is(browser, shown, hash):
    open_page(browser, f'{shown.as_uri()}#pictures&{hash}')
    assert len(heads(browser)) == 5
    assert browser.get_log('browser') == []


def test_nothing_left_says_so(browser, shown):
    names = ','.join(
        ('Random%20init', 'MoCo%20v2', 'A%2C%20b%20%26%20c%3D%2541')
    )
    from urllib.parse import quote

    open_page(browser, f'{shown.as_uri()}#pictures&pic_without={quote(names)}')
    assert texts(browser, '.tiled') == []
    assert 'No picture of this choice.' in texts(browser, '#picture-notes')[0]


def test_the_viewer_by_keys(opened):
    from selenium.webdriver.common.keys import Keys

    first = opened.find_element('css selector', '.tiles .zoom')
    first.click()
    viewer = opened.find_element('id', 'viewer')
    assert viewer.is_displayed() and '1 of 12' in viewer.text
    assert 'truth, 0.jpg' in viewer.text
    alt = 'return document.querySelector("#viewer img").alt'
    seen = [js(opened, alt)]
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT):
        press(opened, key)
        seen.append(js(opened, alt))
    assert seen[1] == seen[3] and len(set(seen)) == 3
    assert 'predicts on 0.jpg' in seen[1]
    press(opened, Keys.ARROW_LEFT, Keys.ARROW_LEFT)  # round the end
    assert '12 of 12' in viewer.text
    assert 'of mini_voc_det_c4' in viewer.text  # the legend
    press(opened, Keys.ESCAPE)
    assert not viewer.is_displayed()
    assert js(opened, 'return document.activeElement.className') == 'zoom'


def test_buttons_of_the_viewer_keep_the_focus(opened):
    from selenium.webdriver.common.keys import Keys

    opened.find_element('css selector', '.tiles .zoom').click()
    active = 'return document.activeElement.textContent'
    assert js(opened, active) == 'Close'
    js(opened, 'document.querySelectorAll("#viewer button")[1].focus()')
    press(opened, Keys.ENTER)
    assert js(opened, active) == 'Next'
    assert '2 of 12' in opened.find_element('id', 'viewer').text
    press(opened, Keys.ESCAPE)


def test_views_are_there_and_named(opened):
    [figure] = opened.find_elements('css selector', '#gallery figure')
    assert 'MoCo v2 · seed 0 · views' in figure.text
    assert "the query's crop" in figure.text
    button = figure.find_element('css selector', 'button')
    assert button.get_attribute('aria-label') == (
        'Enlarge: What MoCo v2 sees of training images in pretraining'
    )
    image = figure.find_element('css selector', 'img')
    assert image.get_attribute('loading') == 'lazy'


@pytest.mark.parametrize('width', [390, 1920])
def test_the_grid_scrolls_in_itself(opened, width):
    size(opened, width)
    wide = js(
        opened,
        'return [document.documentElement.scrollWidth, window.innerWidth]',
    )
    assert wide[0] <= wide[1]


def test_hostile_names_are_text(browser, tmp_path):
    record = make_record(EVIL, task='mini_knn')
    write_record(tmp_path / 'a', record)
    leave_predictions(
        tmp_path / 'a', 'red', note=EVIL, legend=[('#ff0000', EVIL)]
    )
    open_board(
        browser, tmp_path / 'p.html', build(*scan([tmp_path])), [tmp_path]
    )
    assert EVIL in texts(browser, '.tiles td')[1]
    assert heads(browser)[2] == EVIL
    browser.find_element('css selector', '.tiles .zoom').click()
    assert browser.find_elements('css selector', '#pictures script') == []
    assert browser.get_log('browser') == []


def test_two_networks_of_one_name_are_told_apart(browser, tmp_path):
    for backbone in ('resnet18', 'ViT'):
        record = make_record(
            task='mini_seg_fcn', backbone=backbone, run_id=backbone
        )
        write_record(tmp_path / backbone, record)
        leave_predictions(tmp_path / backbone, 'red')
    open_board(
        browser, tmp_path / 'p.html', build(*scan([tmp_path])), [tmp_path]
    )
    names = heads(browser)[2:]
    assert len(set(names)) == 2 and any('ViT' in name for name in names)
