"""The page in a real browser: sort, filter, provenance, keyboard, phone."""

import json
import re

import pytest

from ssl_bench.results.board import build
from ssl_bench.results.record import Stored
from ssl_bench.results.report import to_html
from ssl_bench.results.store import scan
from tests.results.browsing import (
    EVIL,
    click,
    column,
    draw_all,
    js,
    open_board,
    press,
    size,
    wait,
)
from tests.results.factory import METHODS, make_record, sha, suite


def test_one_seed_decides_nothing(browser, tmp_path):
    """No shading, no place, no rank, no order: a single run of each."""
    records = suite(METHODS, ['mini_knn', 'mini_seg_fcn'], [0])
    board = build([Stored(r, 'r.json') for r in records], published='none')
    open_board(browser, tmp_path / 'one.html', board)
    cells = browser.find_elements('css selector', '#matrix button.cell')
    assert len(cells) == 10
    assert {cell.text.split('\n')[1] for cell in cells} == {
        'undecided: one seed'
    }
    assert browser.find_elements('css selector', '.cell.best') == []
    assert not browser.find_element('id', 'ranks').is_displayed()
    names = js(
        browser,
        'return [...document.querySelectorAll("#matrix tbody th")].map('
        'e => e.firstChild.textContent)',
    )
    assert names == sorted(names)
    assert column(browser, 'place') is None  # of none
    cells[0].click()
    text = browser.find_element('id', 'panel').text
    assert 'Place\nundecided: one seed' in text
    assert browser.get_log('browser') == []


def test_axes_of_quality_say_unit_and_direction(browser, tmp_path):
    records = [
        make_record(method, task='mini_depth', seed=seed, metrics={'RMSE': r})
        for method, r in (('MoCo v2', 1.3), ('Random init', 1.5))
        for seed in (0, 1)
    ]
    board = build([Stored(r, 'r.json') for r in records], published='none')
    open_board(browser, tmp_path / 'depth.html', board)
    draw_all(browser)
    title = 'RMSE in metres, lower is better'
    for chart in ('cost-chart', 'task-charts'):
        script = f'return document.getElementById("{chart}").textContent'
        assert title in js(browser, script)
    browser.find_element('css selector', '#matrix button.cell').click()
    assert title in browser.find_element('id', 'panel').text


def test_three_seeds_of_two_backbones(browser, tmp_path):
    records = list(suite(METHODS, ['mini_knn', 'mini_seg_fcn']))
    for record in suite(METHODS[:3], ['mini_knn', 'mini_seg_fcn']):
        record.update(backbone='ViT', run_id=record['run_id'] + '.vit')
        records.append(record)
    board = build(
        [Stored(r, 'r.json') for r in records],
        published='none',
        baseline='Random init [ViT]',
    )
    open_board(browser, tmp_path / 'three.html', board)
    shaded = browser.find_elements('css selector', '.cell.best')
    assert len(shaded) == sum(
        row.best for row in board.rows if row.metric in ('top1', 'mIoU')
    )
    charts = browser.find_elements('css selector', '#rank-charts figure')
    assert len(charts) == 2 and 'ViT' not in charts[0].text
    assert 'Methods without a common letter' in charts[0].text
    beyond = js(
        browser,
        'return DATA_OF().ranks.flatMap(t => t.methods.flatMap(m => '
        '[m.average, ...m.interval].filter(v => v < 1 || v > '
        't.methods.length)))'.replace(
            'DATA_OF()',
            'JSON.parse(document.getElementById("data").textContent)',
        ),
    )
    assert beyond == []
    shaded[0].click()
    text = browser.find_element('id', 'panel').text
    assert '1: no other method is shown to be better' in text
    assert re.search(
        r'Against Random init \[ViT\]\nbetter by \d+\.\d \[.*\], n=3\n'
        r'Test\npaired t test, p .*, after Holm .* \(6 comparisons\)',
        text,
    )
    assert browser.get_log('browser') == []


@pytest.fixture
def odd_page(browser, tmp_path):
    """A record that departs from its protocol, and one of another task."""
    departed = make_record(
        'InsLoc',
        'FPN',
        'voc0712_det_c4',
        metrics={'bbox_AP': 40.0},
        config_sha256=sha('other'),
        departures=['train_cfg.max_iters=100', EVIL],
    )
    board = build(
        [
            Stored(departed, 'a/result.json'),
            Stored(
                make_record('InsLoc', 'FPN', 'voc0712_det_c4', run_id='kept'),
                'c/result.json',
            ),
            Stored(
                make_record(task=EVIL, metrics={EVIL: 2.0}), 'b/result.json'
            ),
        ],
        published='own',
    )
    open_board(browser, tmp_path / 'odd.html', board)
    yield browser
    assert browser.get_log('browser') == []


def test_draws_every_chart(opened):
    draw_all(opened)
    # 3 tasks, ranks of the backbone with 2 tasks, differences and seeds of
    # two methods on these, cost
    assert (
        js(
            opened,
            'return document.querySelectorAll(".plot svg.marks").length',
        )
        == 8
    )
    labels = js(
        opened, 'return document.querySelector("#task-charts").textContent'
    )
    assert 'InsLoc (FPN)' in labels
    color = js(
        opened,
        'return getComputedStyle(document.querySelector('
        '"#task-charts .mean_marks path")).fill',
    )
    assert color == 'rgb(31, 111, 180)'  # --series-0 was resolved


def test_loads_nothing(opened):
    opened.get_log('performance')  # of the browser's own first tab
    opened.refresh()
    wait(lambda: js(opened, 'return document.body.dataset.ready'))
    seen = [
        json.loads(entry['message'])['message']
        for entry in opened.get_log('performance')
    ]
    urls = [
        m['params']['request']['url']
        for m in seen
        if m['method'] == 'Network.requestWillBeSent'
    ]
    assert urls and all(
        url.startswith(('file:', 'data:', 'blob:')) for url in urls
    ), urls


def test_sorts_by_a_column_both_ways(opened):
    click(opened, '#rows [data-key=measured]')
    down = [float(v.split()[0]) for v in column(opened, 'measured')]
    assert down == sorted(down, reverse=True) and len(down) == 26
    click(opened, '#rows [data-key=measured]')
    up = [float(v.split()[0]) for v in column(opened, 'measured')]
    assert up == down[::-1]
    assert (
        js(
            opened,
            'return document.querySelector("#rows th[aria-sort]")'
            '.getAttribute("aria-sort")',
        )
        == 'ascending'
    )


def test_filters(opened):
    from selenium.webdriver.support.ui import Select

    Select(opened.find_element('id', 'f-task')).select_by_value('mini_knn')
    assert set(column(opened, 'task')) == {'Mini kNN'}
    opened.find_element('id', 'f-q').send_keys('pixpro')
    assert column(opened, 'method') == [
        'PixPro\nResNet-18 · IN1K · 200 epochs'
    ]
    assert opened.find_element('id', 'count').text.startswith('1 of ')
    click(opened, '#filters [type=reset]')
    wait(lambda: len(column(opened, 'method')) == 26)
    Select(opened.find_element('id', 'f-show')).select_by_value('published')
    assert set(column(opened, 'measured')) == {''}
    assert len(column(opened, 'method')) > 150


def test_provenance_panel(opened):
    click(opened, '#rows tbody tr .open')
    panel = opened.find_element('id', 'panel')
    assert panel.is_displayed()
    text = panel.text
    record = make_record('InsLoc', 'FPN', 'voc0712_det_c4')
    for part in (
        record['run_id'],
        record['config_sha256'],
        record['pretrain']['checkpoint_sha256'],
        'torch 2.14.1',
        'GPU hours',
        'Against MoCo v2',
        '95% interval',
    ):
        assert part in text, part
    press(opened, '\ue00c')  # Escape
    assert not panel.is_displayed()


def test_by_keyboard_alone(opened):
    press(opened, '/')
    assert js(opened, 'return document.activeElement.id') == 'f-q'
    js(opened, 'document.querySelector("#matrix .cell[title]").focus()')
    press(opened, '\ue007')  # Enter
    assert opened.find_element('id', 'panel').is_displayed()
    inside = js(opened, 'return document.activeElement.closest("dialog")?.id')
    assert inside == 'panel'
    press(opened, '\ue00c')
    assert js(opened, 'return document.activeElement.className').startswith(
        'cell'
    )


def test_a_method_named_script_shows_as_text(opened):
    draw_all(opened)
    assert js(opened, 'return document.body.innerText').count(EVIL) >= 2
    assert EVIL in js(
        opened, 'return document.querySelector("#task-charts").textContent'
    )
    assert (
        js(
            opened,
            'return [...document.scripts].some('
            's => s.textContent === "alert(1)")',
        )
        is False
    )


NAMES = (
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '</script><script>alert(1)</script>',
    '<!--<script>',
    '\u202eright',
    '=1+1',
    'x' * 10_000,
)


def test_names_that_objects_have_and_long_ones(browser, tmp_path):
    """As methods, variants, backbones, tasks, metrics, versions, curves."""
    records = []
    for number, name in enumerate(NAMES):
        more = dict(versions={name: name}, notes=name, extra={name: name})
        for seed in range(2):
            value = 40.0 + number + seed / 10
            for task in ('mini_knn', 'in1k_knn'):
                record = make_record(
                    name, name, task, seed, {'top1': value}, **more
                )
                record['backbone'] = 'resnet18'
                record['run_id'] = f'{task}{number}s{seed}'
                records.append(record)
        other = make_record(name, task=name, metrics={name: 1.0}, **more)
        other.update(run_id=f'other{number}', backbone=name)
        records.append(other)
    for record in records:
        write_record_of_any_task(tmp_path / record['run_id'], record)
        log = tmp_path / record['run_id'] / 'vis_data' / 'scalars.json'
        log.parent.mkdir()
        log.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}')
    board = build(*scan([tmp_path]), baseline='toString', published='none')
    assert len(board.rows) == 3 * len(NAMES)
    page = tmp_path / 'odd.html'
    page.write_text(to_html(board, [tmp_path]), encoding='utf-8')
    size(browser, 1280)
    browser.get(page.as_uri())
    wait(lambda: js(browser, 'return document.body.dataset.ready'))
    assert js(browser, 'return document.documentElement.scrollWidth') == 1280
    draw_all(browser)
    dots = js(
        browser,
        'return [...document.querySelectorAll("#task-charts figure")].map('
        'e => e.querySelectorAll(".mean_marks path, .single_marks path")'
        '.length)',
    )
    assert sorted(dots) == [1] * len(NAMES) + [len(NAMES)] * 2
    assert 'could not be drawn' not in js(
        browser, 'return document.body.innerText'
    )
    ranked = js(
        browser,
        'return document.querySelectorAll('
        '"#rank-charts .mark-symbol.role-mark path").length',
    )
    assert ranked == len(NAMES)
    assert len(column(browser, 'method')) == 3 * len(NAMES)
    for cell in browser.find_elements('css selector', '#rows button.open')[:9]:
        js(browser, 'arguments[0].click()', cell)
        assert browser.find_element('id', 'panel').text
        js(browser, 'document.getElementById("panel").close()')
    assert browser.get_log('browser') == []


def write_record_of_any_task(folder, record):
    folder.mkdir()
    (folder / 'result.json').write_text(json.dumps(record))


def test_departures_are_marked_and_explained(odd_page):
    legend = odd_page.find_element('id', 'legend').text
    assert legend == (
        "† other settings or data than the protocol's: "
        'not compared with published numbers'
    )
    names = [name.split('\n')[0] for name in column(odd_page, 'method')]
    assert names.count('InsLoc (FPN) †') == 1
    assert names.count('InsLoc (FPN)') == 3  # its metrics
    cells = odd_page.find_elements('css selector', '#matrix button.cell')
    [cell] = [cell for cell in cells if cell.text.startswith('40.0 †')]
    assert cell.text == '40.0 †\nundecided: one seed'
    cell.click()  # below the other number, not behind it
    text = odd_page.find_element('id', 'panel').text
    assert 'InsLoc (FPN) †: box AP' in text
    assert text.count(f'Departures\n{EVIL}; train_cfg.max_iters=100') == 1
    assert f'Departures\ntrain_cfg.max_iters=100; {EVIL}' in text  # the run's


def test_changed_pretrainings_are_told_apart(browser, tmp_path):
    """Two of one name are two dots, and their long texts stay in the column."""
    records = []
    for i, data in enumerate(('IN1K', 'IN1K', f'custom: {"x" * 60}')):
        record = make_record(metrics={'top1': 50.0 + i}, run_id=str(i))
        record['pretrain'].update(data=data, departures=[f'lr={i}'])
        records.append(record)
    board = build([Stored(r, 'r.json') for r in records], published='none')
    open_board(browser, tmp_path / 'changed.html', board)
    draw_all(browser)
    texts = js(
        browser,
        'return [...document.querySelectorAll('
        '"#task-charts .mark-text text")].map(e => e.textContent)',
    )
    assert len(set(texts) & {'50.0', '51.0', '52.0'}) == 3
    shown = ' '.join(texts)
    assert 'MoCo v2 †, IN1K #1' in shown and 'MoCo v2 †, IN1K #2' in shown
    rows = browser.find_elements('css selector', '#matrix tbody th')
    assert {row.text.split('\n')[-1] for row in rows} == {
        f'pretraining: lr={i}' for i in range(3)
    }
    for width in (1280, 390):
        size(browser, width)
        assert js(
            browser,
            'return [...document.querySelectorAll("#matrix tbody th")].every('
            'e => e.scrollWidth <= e.clientWidth)',
        )
    assert browser.get_log('browser') == []


def test_a_task_that_is_not_installed(odd_page):
    assert f'{EVIL}, not installed' in column(odd_page, 'task')
    heads = js(
        odd_page,
        'return [...document.querySelectorAll("#task-charts h3")].map('
        'e => e.innerText)',
    )
    assert f'{EVIL}, not installed' in heads
    assert (
        'has no config here'
        in odd_page.find_element('id', 'warning-list').text
    )


@pytest.mark.parametrize('width', [1280, 390, 320])
def test_nothing_sticks_out(opened, width):
    size(opened, width)
    opened.refresh()
    wait(lambda: js(opened, 'return document.body.dataset.ready'))
    draw_all(opened)
    assert js(opened, 'return document.documentElement.scrollWidth') == width
    cut = js(
        opened,
        """return [...document.querySelectorAll(
      'main > section > *, .plot svg')].filter(e => e.offsetParent !== null
        && e.getBoundingClientRect().right > innerWidth + 1).length""",
    )
    assert cut == 0


def test_themes_change_page_and_charts(opened):
    draw_all(opened)

    def colors():
        return js(
            opened,
            """return [document.body, document.querySelector(
          "#task-charts .role-axis-label text")].map((e, i) =>
            getComputedStyle(e)[i ? 'fill' : 'backgroundColor'])""",
        )

    seen = {}
    for _ in range(3):
        name = opened.find_element('id', 'theme').text
        seen[name] = colors()
        click(opened, '#theme')
    assert seen['Theme: light'] != seen['Theme: dark']
    assert all(
        a != b for a, b in zip(seen['Theme: light'], seen['Theme: dark'])
    )
    assert seen['Theme: auto'] == seen['Theme: light']


def test_print_is_light_and_without_controls(opened):
    for _ in range(2):
        click(opened, '#theme')  # dark
    opened.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media='print'))
    try:
        wait(
            lambda: (
                js(opened, 'return document.documentElement.dataset.theme')
                == 'light'
            )
        )
        assert not opened.find_element('id', 'filters').is_displayed()
        assert opened.find_element('id', 'rows').is_displayed()
    finally:
        opened.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media=''))
        click(opened, '#theme')
