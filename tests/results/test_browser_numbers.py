"""All numbers in a real browser: rows, filters, links, files, odd boards."""

import csv
import io

import pytest

from ssl_bench.results.latex import escape_latex
from ssl_bench.results.markup import escape_markdown
from ssl_bench.results.report import to_html
from ssl_bench.results.rounding import fixed
from ssl_bench.results.text_formats import to_csv
from tests.results import pages
from tests.results.browsing import (
    click,
    column,
    columns,
    data,
    js,
    open_page,
    press,
    ready,
    size,
    wait,
)

SAVED = """
const [button, done] = arguments;
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  URL.createObjectURL = make;
  blob.text().then(done);
  return make(blob);
};
document.getElementById(button).click();
"""


@pytest.fixture(scope='module')
def boards():
    """Boards by name, each built once."""
    return {}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return tmp_path_factory.mktemp('pages')


@pytest.fixture
def odd(browser, boards, files):
    """Opens the page of a board; afterwards the console is silent."""

    def open_it(name, state='', width=1280):
        page = files / f'{name}.html'
        if name not in boards:
            boards[name] = pages.board(name)
            page.write_text(to_html(boards[name]), encoding='utf-8')
        open_page(browser, page.as_uri() + state, width)
        return boards[name]

    yield open_it
    assert browser.get_log('browser') == []


def saved(browser, button):
    """What a button saves."""
    return browser.execute_async_script(SAVED, button)


def lines(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    'name', [n for n in pages.RECORDS if n != 'many-rows']
)
def test_the_numbers_of_the_page_are_those_of_the_csv(browser, odd, name):
    """Every mean, interval, number of seeds and place, in the CSV's order."""
    board = odd(name, '#numbers&show=all')
    text = to_csv(board)
    assert saved(browser, 'csv') == text
    parts = data(browser)['csv']
    order = {line: i for i, line in enumerate(parts['lines'])}
    expected = [None] * len(board.rows)
    body = text[len(parts['head']) :].splitlines(keepends=True)
    for line, raw, row in zip(lines(text), body, board.rows, strict=True):
        expected[order[raw]] = numbers_of(line, row.places)
    shown = columns(browser, 'measured', 'interval', 'n', 'place')
    shown = [texts or [''] * len(board.rows) for texts in shown]
    assert [
        (mean, interval.replace('\u00a0', ' '), n, place)
        for mean, interval, n, place in zip(*shown, strict=True)
    ] == expected


def numbers_of(line, places):
    """A line of the CSV as the page rounds it."""

    def short(name):
        return fixed(float(line[name]), places)

    if not line['measured_mean']:
        return '', '', '', ''
    mean, interval = short('measured_mean'), ''
    if line['measured_std']:
        mean += f' ± {short("measured_std")}'
    if line['seeds'] == '1':
        interval = 'undecided: one seed'
    elif line['measured_low']:
        interval = f'[{short("measured_low")}, {short("measured_high")}]'
    else:
        interval = 'the seeds changed nothing'
    return mean, interval, line['seeds'], line['place']


def test_files_have_the_rows_that_are_shown(browser, odd):
    board = odd('printed', '#numbers&method=PixPro&metric=bbox_AP')
    wanted = [
        line
        for line in lines(to_csv(board))
        if line['method'] == 'PixPro'
        and line['metric'] == 'bbox_AP'
        and line['measured_mean']
    ]
    assert len(wanted) == 2
    assert lines(saved(browser, 'csv')) == wanted
    js(browser, 'document.querySelector("#rows [data-key=task]").click()')
    click(browser, '#rows [data-key=task]')
    turned = lines(saved(browser, 'csv'))
    assert turned == sorted(wanted, key=lambda x: x['task'], reverse=True)
    table = saved(browser, 'markdown').splitlines()
    assert len(table) == 2 + 2 + 2  # heading, rule, rows, what it is
    assert table[0].startswith('| Method | Pretraining | Task | Metric |')
    assert table[-1] == '2 of 647 numbers.'


def test_files_escape_names(browser, odd):
    """As the Python tables do; no name ends a cell or a command."""
    odd('names', '#numbers&show=all')
    rows = data(browser)['rows']
    body = saved(browser, 'markdown').split('\n')[2 : 2 + len(rows)]
    for row, line in zip(rows, body, strict=True):
        assert line.startswith(f'| {escape_markdown(row["label"])} | ')
        assert line.replace('\\|', '').count('|') == body[0].replace(
            '\\|', ''
        ).count('|')
    text = saved(browser, 'latex')
    for row in rows:
        assert f'\n{escape_latex(row["label"])} & ' in text


def test_a_long_latex_table_breaks(browser, odd):
    odd('all')
    text = saved(browser, 'latex')
    assert text.count(r'\begin{longtable}') == 1 and r'\endhead' in text
    assert text.count('\\\\\n') >= len(data(browser)['rows'])
    assert r'\textbf{' in text  # unbeaten rows, as in the other tables


def test_filters_order_and_columns_stand_in_the_address(browser, odd):
    from selenium.webdriver.support.ui import Select

    odd('printed')
    choose = Select(browser.find_element('id', 'f-task'))
    choose.select_by_value('coco_mrcnn_fpn_1x')
    browser.find_element('id', 'f-q').send_keys('pixpro')
    Select(browser.find_element('id', 'f-show')).select_by_value('')
    click(browser, '#rows [data-key=measured]')
    click(browser, '#fields summary')
    click(browser, '#field-list [value=protocol]')
    click(browser, '#field-list [value=n]')
    before = column(browser, 'measured'), column(browser, 'protocol')
    assert column(browser, 'n') is None and len(before[0]) > 6
    for part in (
        'task=coco_mrcnn_fpn_1x',
        'q=pixpro',
        'show=all',
        'sort=-measured',
    ):
        assert part in browser.current_url
    browser.refresh()
    ready(browser)
    assert before == (column(browser, 'measured'), column(browser, 'protocol'))
    assert browser.find_element('id', 'f-q').get_property('value') == 'pixpro'
    click(browser, '#filters [type=reset]')
    assert len(column(browser, 'measured')) == 58  # all that was measured
    assert 'task=' not in browser.current_url


def test_a_link_opens_a_number(browser, odd):
    odd('missing')
    click(browser, '#rows tbody tr:nth-child(4) .open')
    text = browser.find_element('id', 'panel').text
    link = browser.current_url
    assert 'cell=' in link
    browser.back()
    panel = browser.find_element('id', 'panel')
    wait(lambda: not panel.is_displayed())
    assert 'cell=' not in browser.current_url
    browser.forward()
    wait(panel.is_displayed)
    assert panel.text == text
    press(browser, '\ue00c')  # Escape
    wait(lambda: 'cell=' not in browser.current_url)
    open_page(browser, link)
    assert browser.find_element('id', 'panel').text == text
    open_page(browser, link + 'x')
    assert 'is not on this page' in browser.find_element('id', 'panel').text


def test_only_the_rows_in_sight_are_in_the_document(browser, odd):
    board = odd('many')
    count = 'return document.querySelectorAll("#rows tbody tr").length'
    assert js(browser, count) <= 100 < len(board.rows)
    rows = js(browser, 'return document.getElementById("rows").ariaRowCount')
    assert int(rows) == 1 + len(board.rows)
    click(browser, '#rows [data-key=measured]')
    means = [float(text.split()[0]) for text in column(browser, 'measured')]
    assert means == sorted(
        (float(fixed(row.mean, row.places)) for row in board.rows),
        reverse=True,
    )
    heads = js(
        browser,
        'const box = document.getElementById("rows-box");'
        'box.scrollTop = 9000; return new Promise(done => setTimeout(() => {'
        'const head = box.querySelector("thead th").getBoundingClientRect();'
        'const own = box.getBoundingClientRect();'
        'done([head.top - own.top, box.scrollTop])}, 200))',
    )
    assert 0 <= heads[0] <= 2 and heads[1] > 8000


def test_scrolling_keeps_the_focus(browser, odd):
    odd('many')
    for _ in range(3):
        js(browser, 'document.getElementById("rows-box").scrollTop += 400')
        wait(
            lambda: js(
                browser,
                'const rows = [...document.querySelectorAll("#rows tbody '
                'tr")]; return rows.at(-1).ariaRowIndex > 40',
            )
        )
    js(
        browser,
        'const b = [...document.querySelectorAll("#rows .open")].at(-1);'
        'b.focus(); b.scrollIntoView({block: "center"})',
    )
    name = js(browser, 'return document.activeElement.closest("tr").innerText')
    js(browser, 'return new Promise(done => setTimeout(done, 300))')
    assert name == js(
        browser, 'return document.activeElement.closest("tr").innerText'
    )
    for _ in range(20):
        press(browser, '\ue004')  # Tab
    assert js(browser, 'return !!document.activeElement.closest("#rows")')


def test_many_warnings_are_grouped(browser, odd):
    board = odd('names')
    kinds = {problem.kind for problem in board.problems}
    box = browser.find_element('id', 'warning-list')
    assert len(box.find_elements('css selector', '.kind')) == len(kinds)
    shown = [part for part in box.text.split('\n') if 'has no config' in part]
    assert len(board.problems) > 10 and shown == []
    click(browser, '#warning-list summary')
    count = sum(p.kind == 'task not installed' for p in board.problems)
    assert box.text.count('has no config here') == count
    assert f'task not installed {count}' in box.text


def test_on_paper_every_row_is_there(browser, odd):
    board = odd('many')
    js(browser, 'window.dispatchEvent(new Event("beforeprint"))')
    count = 'return document.querySelectorAll("#rows tbody tr").length'
    assert js(browser, count) == len(board.rows)
    js(browser, 'window.dispatchEvent(new Event("afterprint"))')
    assert js(browser, count) <= 100


@pytest.mark.parametrize('name', [n for n in pages.RECORDS if 'many' not in n])
def test_nothing_sticks_out_of_odd_pages(browser, odd, name):
    odd(name, '#numbers&show=all')
    wide = 'return document.documentElement.scrollWidth'
    for width in (1280, 1920, 390):
        size(browser, width)
        wait(lambda: js(browser, wide) == width, 5)  # noqa: B023
    size(browser, 1280)
    narrow = js(
        browser,
        'return [...document.querySelectorAll("#rows tbody td.text")].filter('
        'e => e.innerText && e.offsetWidth && e.offsetWidth < 60).length',
    )
    assert narrow == 0  # a word in each line


def test_a_folder_without_records_is_one_line(tmp_path, capsys):
    from ssl_bench import cli

    page = tmp_path / 'page.html'
    assert cli.main(['leaderboard', str(tmp_path), '-o', str(page)]) == 2
    out, err = capsys.readouterr()
    assert not page.exists() and out == ''
    assert len(err.strip().splitlines()) == 1 and 'no usable' in err


def test_two_rows_never_share_a_cell(browser, odd):
    for name in ('missing', 'printed', 'names', 'two-backbones'):
        odd(name)
        keys = [row['key'] for row in data(browser)['rows']]
        assert len(set(keys)) == len(keys) > 1


def test_speed_with_2000_records(browser, odd):
    """Far above what benchmarks/page_speed.py measures: machines differ."""
    odd('many')
    script = (
        'const start = performance.now();'
        'document.querySelector("#rows [data-key=method]").click();'
        'document.body.offsetHeight; return performance.now() - start'
    )
    assert min(js(browser, script) for _ in range(3)) < 1000  # ms
    assert (
        js(
            browser,
            'return performance.getEntriesByType("navigation")[0].duration',
        )
        < 20_000
    )


def test_the_address_is_not_data_of_the_page(browser, odd):
    """What comes with a link is text, and a damaged one does no harm."""
    odd('plain', '#numbers&q=%3Cscript%3E&sort=-nothing&fields=x&show=odd&%E0')
    assert column(browser, 'method') == []
    text = browser.find_element('id', 'f-q').get_property('value')
    assert text == '<script>'
    assert column(browser, 'task') is None
