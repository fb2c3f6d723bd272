"""The page's charts by meaning: where each mark stands on its axis."""

import base64
import random
import re

import pytest

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.record import Stored
from ssl_bench.results.store import scan
from tests.results.browsing import (
    EVIL,
    click,
    data,
    draw_all,
    js,
    open_board,
    open_page,
    ready,
    size,
    wait,
)
from tests.results.drawn_sheets import leave_predictions
from tests.results.factory import METHODS, make_record, suite

pytestmark = pytest.mark.slow

# Frame, ticks and marks of each chart of a section, in pixels of its frame.
MARKS = """
const at = (e) => e.getAttribute('transform').match(/-?\\d[\\d.e-]*/g)
  .map(Number).slice(0, 2);
return [...document.querySelectorAll(arguments[0] + ' figure')].map((f) => {
  const svg = f.querySelector('.plot svg');
  const [, width, height] = svg.querySelector('.root path.background')
    .getAttribute('d').match(/M0,0h([\\d.]+)v([\\d.]+)/).map(Number);
  const dots = (name) => [...svg.querySelectorAll(
    `.${name}_marks path[transform]`)].map(at);
  const lines = (name) => [...svg.querySelectorAll(
    `.${name}_marks line`)].map((e) => {
    const [x, y] = at(e);
    return [x, y, x + Number(e.getAttribute('x2')),
      y + Number(e.getAttribute('y2'))];
  });
  return {
    heading: f.querySelector('h3').textContent, width, height,
    titles: [...svg.querySelectorAll('.role-axis-title text')].map(
      (e) => e.textContent),
    ticks: [...svg.querySelectorAll('.role-axis-label text')].map(
      (e) => [e.textContent, ...at(e)]),
    points: dots('mean').concat(dots('single'), dots('average'),
      dots('seed'), dots('decided'), dots('undecided')),
    means: dots('mean'), singles: dots('single'), printed: dots('printed'),
    intervals: lines('interval'), bands: lines('band'), pairs: lines('pair'),
    zero: lines('zero'), label: f.querySelector('.plot').ariaLabel,
    role: f.querySelector('.plot').getAttribute('role')};
});
"""


def marks(browser, section):
    draw_all(browser)
    return js(browser, MARKS, section)


def on_axis(chart, values):
    """Pixels of values, by two ticks of the axis below the chart."""
    ticks = [
        (float(text.replace('−', '-').replace(',', '')), x)
        for text, x, y in chart['ticks']
        if y > 10
    ]
    (a, x), (b, right) = ticks[0], ticks[-1]
    return [x + (value - a) / (b - a) * (right - x) for value in values]


def check_inside(chart):
    """Every mark is in the frame, and the axes have titles."""
    ends = [
        point
        for x1, y1, x2, y2 in chart['intervals'] + chart['pairs']
        for point in ((x1, y1), (x2, y2))
    ]
    for x, y in chart['points'] + chart['printed'] + ends:
        assert -0.01 <= x <= chart['width'] + 0.01, chart['heading']
        assert -0.01 <= y <= chart['height'] + 0.01, chart['heading']
    assert chart['titles'] and all(chart['titles'])
    assert chart['role'] == 'img' and chart['label']


def cells(method, values, task='mini_knn', metric='top1', **more):
    return [
        make_record(method, '', task, seed, {metric: value}, **more)
        for seed, value in enumerate(values)
    ]


def board_of(records, **options):
    return build(
        [Stored(r, f'{i}.json') for i, r in enumerate(records)],
        **{'published': 'none', **options},
    )


@pytest.fixture(scope='module')
def two_backbones(browser, tmp_path_factory):
    """Printed numbers, two backbones, one seed, lower is better."""
    records = list(suite(METHODS, ['voc0712_det_c4', 'mini_knn']))
    for record in suite(METHODS[:3], ['mini_knn']):
        record.update(backbone='ViT-B/16', run_id=record['run_id'] + '.vit')
        records.append(record)
    records += cells('BYOL', [47.0])
    records += cells('MoCo v2', [1.3, 1.31, 1.33], 'mini_depth', 'RMSE')
    records += cells('PixPro', [1.2, 1.21, 1.20], 'mini_depth', 'RMSE')
    path = tmp_path_factory.mktemp('charts') / 'page.html'
    open_board(browser, path, board_of(records, published='own'))
    return path


@pytest.fixture
def page(browser, two_backbones):
    open_page(browser, two_backbones)
    yield browser
    assert browser.get_log('browser') == []


def test_dots_stand_where_their_numbers_are(page):
    found = data(page)
    charts = marks(page, '#task-charts')
    assert len(charts) == len(found['charts']) == 3
    for chart, told in zip(charts, found['charts']):
        check_inside(chart)
        assert chart['titles'] == [f'{told["axis"]} →']
        rows = [found['rows'][i] for g in told['groups'] for i in g['rows']]
        several = [row for row in rows if len(row['values']) > 1]
        assert len(chart['means']) == len(several)
        assert len(chart['singles']) == len(rows) - len(several)
        expected = on_axis(chart, [row['mean'] for row in several])
        assert [x for x, _ in chart['means']] == pytest.approx(
            expected, abs=0.6
        )
        ends = on_axis(chart, [v for row in several for v in row['interval']])
        seen = [x for x1, _, x2, _ in chart['intervals'] for x in (x1, x2)]
        assert sorted(seen) == pytest.approx(sorted(ends), abs=0.6)
        printed = [
            row['published'][0]['value'] for row in rows if row['published']
        ]
        assert [x for x, _ in chart['printed']] == pytest.approx(
            on_axis(chart, printed), abs=0.6
        )
        assert len(chart['bands']) == sum(
            len(group['tied']) for group in told['groups']
        )


def test_better_is_always_to_the_right(page):
    found = data(page)
    for chart, told in zip(marks(page, '#task-charts'), found['charts']):
        start = 0
        for group in told['groups']:
            own = [found['rows'][i] for i in group['rows']]
            count = sum(len(row['values']) > 1 for row in own)
            right = [x for x, _ in chart['means'][start : start + count]]
            assert right == sorted(right, reverse=True)  # the best is first
            start += count
        if told['reversed']:
            assert 'lower is better →' in chart['titles'][0]


def test_numbers_close_to_each_other_look_different(browser, tmp_path):
    records = cells('A', [57.0, 57.1]) + cells('B', [58.5, 58.6])
    open_board(browser, tmp_path / 'close.html', board_of(records))
    [chart] = marks(browser, '#task-charts')
    (first, _), (second, _) = chart['means']
    assert first - second > 0.2 * chart['width'] - 40


ODD = {
    'huge': [1e15, 2e15, 3e15],
    'tiny': [1e-12, 2e-12, 2.5e-12],
    'tiny range': [57.0, 57.0 + 1e-9, 57.0 + 3e-9],
    'equal': [57.0, 57.0, 57.0],
    'zeros': [0.0, 0.0, 0.0],
    'negative': [-3.0, -2.0, -2.5],
    'both signs': [-3e3, 4.0, 1e6],
}


def test_odd_numbers_are_drawn_inside_their_axes(browser, tmp_path):
    records = []
    for task, (a, b, c) in ODD.items():
        for method, values in (('A', [a, b]), ('B', [b, c]), ('C', [a])):
            records += cells(method, values, task, 'score')
    records += cells('A', [3.0], 'alone', 'score')
    open_board(browser, tmp_path / 'odd.html', board_of(records))
    charts = marks(browser, '#task-charts')
    assert len(charts) == len(ODD) + 1
    for chart in charts:
        check_inside(chart)
        count = 1 if chart['heading'].startswith('alone') else 3
        assert len(chart['points']) == count
        assert len(chart['ticks']) > 1
    for section in ('#compare', '#cost'):
        for chart in marks(browser, section):
            check_inside(chart)
    assert browser.get_log('browser') == []


def test_labels_are_not_cut_to_nothing(browser, tmp_path):
    """A name of 40 letters is there in full, also on a phone."""
    names = [f'A method with a name of {i:03} forty letters' for i in range(9)]
    records = [r for name in names for r in cells(name, [40.0, 41.0])]
    path = tmp_path / 'names.html'
    for width in (1280, 390):
        open_board(browser, path, board_of(records))
        open_page(browser, path, width)
        draw_all(browser)
        shown = js(
            browser,
            'return [...document.querySelectorAll('
            '"#task-charts .name_marks text")].map(e => [...('
            'e.children.length ? e.children : [e])].map('
            'line => line.textContent).join(" "))',
        )
        if width == 1280:
            assert sorted(shown) == names
        assert all(len(text) >= 30 for text in shown)


def test_ranks_are_inside_at_every_width(page):
    for width in (1280, 390):
        size(page, width)
        page.refresh()
        ready(page)
        for chart in marks(page, '#rank-charts'):
            check_inside(chart)
            assert chart['titles'] == ['average rank, 1 is best']


def test_two_methods_are_compared(page):
    found = data(page)
    first = [m['name'] for m in found['ranks'][0]['methods'][:2]]
    answer = page.find_element('id', 'compare-answer').text
    assert answer.startswith(f'{first[0]}') and f'against {first[1]}' in answer
    ids = {
        (row['name'], row['network']): row['id']
        for row in found['rows']
        if row['values']
    }
    network = next(
        row['network'] for row in found['rows'] if row['task'] == 'mini_depth'
    )
    a, b = ids['MoCo v2', network], ids['PixPro', network]
    js(page, 'location.hash = `#compare&a=${arguments[0]}`', a)
    js(
        page,
        'location.hash = `#compare&a=${encodeURIComponent(arguments[0])}'
        '&b=${encodeURIComponent(arguments[1])}`',
        a,
        b,
    )
    wait(
        lambda: page.find_element('id', 'compare-answer').text.startswith(
            'MoCo v2'
        )
    )
    charts = {c['heading']: c for c in marks(page, '#compare-body')}
    for chart in charts.values():
        check_inside(chart)
    depth = next(
        c for name, c in charts.items() if name.startswith('A minus B, RMSE')
    )
    [(x, _)], [(zero, *_)] = depth['points'], depth['zero']
    assert x < zero  # PixPro has the lower, so the better error
    own, other = (
        next(
            row['mean']
            for row in found['rows']
            if (row['id'], row['metric']) == (method, 'RMSE')
        )
        for method in (a, b)
    )
    # the axis says A minus B, and has its sign
    assert [x] == pytest.approx(on_axis(depth, [own - other]), abs=2)
    pairs = next(
        c for name, c in charts.items() if name == 'Mini linear depth'
    )
    assert len(pairs['pairs']) == 3 and len(pairs['points']) == 6
    text = page.find_element('id', 'compare').text
    [told] = re.findall(r'A against B: (worse by .*)', text)
    assert told.startswith('worse by 0.1')
    tall = js(
        page,
        'return Math.max(...[...document.querySelectorAll(".seeds-answer")]'
        '.map(e => e.offsetHeight))',
    )
    assert 0 < tall < 60  # a sentence, not a column of letters


def test_a_task_that_only_one_has_is_named(page):
    found = data(page)
    rows = [row for row in found['rows'] if row['values']]
    depth = next(row for row in rows if row['task'] == 'mini_depth')
    vit = next(
        row
        for row in rows
        if row['network'] != depth['network'] and row['task'] == 'mini_knn'
    )
    js(
        page,
        'location.hash = `#compare&a=${encodeURIComponent(arguments[0])}'
        '&b=${encodeURIComponent(arguments[1])}`',
        depth['id'],
        vit['id'],
    )
    wait(
        lambda: (
            'are not compared'
            in page.find_element('id', 'compare-answer').text
        )
    )
    missing = page.find_element('css selector', '#compare .not-compared').text
    assert 'Mini kNN: other backbone: ' in missing
    assert 'Mini linear depth: not measured: ' in missing


def test_predictions_of_both_on_the_same_images(browser, tmp_path):
    for method in ('A', 'B', 'C'):
        for record in cells(method, [0.40, 0.41], 'mini_seg_fcn', 'mIoU'):
            write_record(tmp_path / record['run_id'], record)
    for method, colour in (('A', 'red'), ('B', 'blue')):
        [folder, _] = sorted(tmp_path.glob(f'{method.lower()}_*'))
        leave_predictions(folder, colour)
    board = build(*scan([tmp_path]), published='none')
    open_board(browser, tmp_path / 'page.html', board, [tmp_path])
    rows = js(
        browser,
        'return [...document.querySelectorAll("#compare .side-by-side")].map('
        'e => [...e.querySelectorAll("figcaption")].map('
        'c => c.textContent))',
    )
    names = {name for row in rows for name in row}
    assert len(rows) == 3 and len(names) == 3
    assert 'truth' in names
    assert {name[:2] for name in names - {'truth'}} == {'A:', 'B:'}
    sources = js(
        browser,
        'return [...document.querySelector("#compare .side-by-side")'
        '.querySelectorAll("img")].map(e => e.src)',
    )
    assert len(set(sources)) == 3


def test_all_charts_are_there_on_paper(page):
    assert js(page, 'return document.querySelectorAll(".plot svg").length') < (
        js(page, 'return document.querySelectorAll(".plot").length')
    )
    page.execute_cdp_cmd('Page.printToPDF', dict(printBackground=True))
    assert js(
        page,
        'return [...document.querySelectorAll(".plot")].every('
        'e => e.querySelector("svg"))',
    )


def test_cost_has_titles_and_the_front_that_python_found(page):
    found = data(page)
    [chart] = marks(page, '#cost')
    check_inside(chart)
    kind = found['cost_kinds'][0]
    told = found['charts'][0]
    assert set(chart['titles']) == {kind['title'], told['axis']}
    text = page.find_element('id', 'cost').text
    on_front = found['fronts'][told['task']][kind['id']][0]
    assert on_front
    for i in on_front:
        row = found['rows'][i]
        told_of = f'({row["cost"][kind["id"]]["text"]}, {row["text"]["mean"]})'
        assert told_of in text
    wanted = found['cost_kinds'][-1]
    js(page, 'location.hash = `#cost&cost=${arguments[0]}`', wanted['id'])
    wait(lambda: wanted['title'] in marks(page, '#cost')[0]['titles'])


def test_every_chart_has_its_numbers_as_a_table(page):
    draw_all(page)
    found = data(page)
    js(
        page,
        'document.querySelectorAll(".chart-foot details").forEach('
        'd => { d.open = true; })',
    )
    wait(
        lambda: js(
            page,
            'return [...document.querySelectorAll(".chart-foot")].every('
            'e => e.querySelector("tbody tr"))',
        )
    )
    lines = js(
        page,
        'return [...document.querySelectorAll("#task-charts tbody tr")].map('
        'r => [...r.children].map(c => c.textContent))',
    )
    expected = [
        found['rows'][i]
        for chart in found['charts']
        for group in chart['groups']
        for i in group['rows']
    ]
    assert [line[2] for line in lines] == [r['text']['mean'] for r in expected]
    assert [line[3] for line in lines] == [
        r['text']['interval'] for r in expected
    ]


SAVE = """
const done = arguments[arguments.length - 1];
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  URL.createObjectURL = make;
  const reader = new FileReader();
  reader.onload = () => done([reader.result, blob.type]);
  reader.readAsDataURL(blob);
  return 'data:,';
};
HTMLAnchorElement.prototype.click = function click() {};
[...document.querySelectorAll('#task-charts button')].find(
  (b) => b.textContent === arguments[0]).click();
"""


def test_a_saved_svg_is_right_outside_the_page(page):
    text, kind = page.execute_async_script(SAVE, 'SVG')
    assert kind == 'image/svg+xml'
    saved = base64.b64decode(text.split(',')[1]).decode()
    assert 'var(' not in saved and 'rgb(' not in saved.replace('rgba', '')
    assert '#1f6fb4' in saved  # --series-0
    assert 'VOC07+12 detection, C4' in saved and '58.' in saved
    assert saved.startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_a_saved_png_is_a_picture(page):
    text, kind = page.execute_async_script(SAVE, 'PNG')
    assert kind == 'image/png'
    assert base64.b64decode(text.split(',')[1]).startswith(b'\x89PNG')


def test_a_hostile_name_is_text_in_charts_tables_and_files(browser, tmp_path):
    records = cells(EVIL, [40.0, 41.0]) + cells('__proto__', [42.0, 43.0])
    open_board(browser, tmp_path / 'evil.html', board_of(records))
    draw_all(browser)
    click(browser, '#task-charts summary')
    wait(lambda: browser.find_elements('css selector', '#task-charts td'))
    table = js(
        browser,
        'return document.querySelector("#task-charts tbody").textContent',
    )
    assert EVIL in table and '__proto__' in table
    text, _ = browser.execute_async_script(SAVE, 'SVG')
    assert '&lt;script&gt;' in base64.b64decode(text.split(',')[1]).decode()
    assert browser.get_log('browser') == []


def test_forty_methods_are_drawn_when_they_come_into_sight(browser, tmp_path):
    names = [
        (f'Method {i}', '', random.Random(i).gauss(0, 3)) for i in range(40)
    ]
    records = suite(names, ['mini_knn', 'mini_seg_fcn', 'voc0712_det_c4'])
    open_board(browser, tmp_path / 'forty.html', board_of(records))
    drawn = 'return document.querySelectorAll(".plot[data-drawn]").length'
    all_of_them = js(
        browser, 'return document.querySelectorAll(".plot").length'
    )
    assert js(browser, drawn) < all_of_them
    js(browser, 'document.querySelector("#ranks .plot").scrollIntoView()')
    wait(
        lambda: js(
            browser,
            'return document.querySelector("#ranks .plot").dataset.drawn',
        )
    )
    for section in ('#task-charts', '#rank-charts', '#compare-body', '#cost'):
        for chart in marks(browser, section):
            check_inside(chart)
    assert len(marks(browser, '#task-charts')[0]['means']) == 40
    assert js(browser, drawn) == all_of_them
    assert browser.get_log('browser') == []
