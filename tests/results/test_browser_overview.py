"""The first screen in a real browser: verdicts, matrix, missing runs."""

import csv
import io
import random

import pytest

from ssl_bench.results import rounding, stats
from ssl_bench.results.board import build
from ssl_bench.results.columns import Columns
from ssl_bench.results.record import Stored
from ssl_bench.results.report import to_html
from ssl_bench.results.table import main_metrics
from ssl_bench.results.text_formats import from_text, to_csv
from ssl_bench.results.verdicts import TRIAL
from tests.results import pages
from tests.results.browsing import (
    click,
    js,
    open_board,
    open_page,
    press,
    ready,
    size,
    wait,
)
from tests.results.factory import METHODS, METRICS, make_record, suite

WIDTHS = (390, 1280, 1920)


@pytest.fixture(
    scope='module', params=sorted({*pages.RECORDS} - {'many-rows'})
)
def shown(request, browser, tmp_path_factory):
    """Each of the odd boards."""
    path = tmp_path_factory.mktemp('odd') / 'page.html'
    board = pages.board(request.param)
    open_board(browser, path, board)
    yield browser, board, path
    assert browser.get_log('browser') == []


def ten_tasks(seeds=(0, 1, 2)):
    records = list(suite(METHODS, METRICS, seeds))
    for method, variant, gain in METHODS:
        epochs = None if method == 'Random init' else 200
        for seed in seeds:
            for task, metric, base in (
                ('mini_depth', 'RMSE', 1.4),
                ('in1k_knn', 'top1', 60.0),
            ):
                noise = random.Random(f'{method}{task}{seed}').gauss(0, 0.02)
                value = base - gain / 30 + noise
                records.append(
                    make_record(
                        method, variant, task, seed, {metric: value}, epochs
                    )
                )
    return records


def board_of(records, **options):
    stored = [Stored(record, 'r.json') for record in records]
    return build(stored, **{'published': 'none', **options})


CELLS = """
const place = (cell) => {
  const row = cell.closest('tr');
  const head = cell.closest('table').tHead.rows[1]
    .cells[cell.closest('td').cellIndex];
  const group = cell.closest('tbody').querySelector('.network');
  return [row.cells[0].firstChild.textContent,
    group ? group.innerText : '',
    head.querySelector('button').dataset.key, cell.innerText,
    cell.className];
};
return [...document.querySelectorAll('#matrix button.cell')]
  .filter((cell) => cell.offsetParent).map(place);
"""


def cells(browser):
    """Method, network, column, text and class of each cell."""
    return js(browser, CELLS)


def choose(browser, name):
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element('id', 'm-baseline')).select_by_value(name)


def test_numbers_of_the_cells_are_those_of_the_csv(shown):
    browser, board, _ = shown
    columns, mains = Columns(board), main_metrics(board)
    lines = [
        line
        for line in csv.DictReader(io.StringIO(to_csv(board)))
        if line['measured_mean']
        and from_text(line['metric']) == mains.get(from_text(line['task']))
    ]
    found = sorted(text.split()[0] for *_, text, _ in cells(browser))
    places = {row.task: row.places for row in columns.rows}
    assert found == sorted(
        rounding.fixed(
            float(line['measured_mean']), places[from_text(line['task'])]
        )
        for line in lines
    )
    assert len(found) == len(columns.rows)


def test_one_seed_is_hatched_and_never_best_or_shaded(shown):
    browser, board, _ = shown
    single = sum(len(row.values) == 1 for row in Columns(board).rows)
    kinds = [kind.split() for *_, kind in cells(browser)]
    hatched = [kind for kind in kinds if 'single' in kind]
    assert len(hatched) == single
    assert all(kind == ['cell', 'single'] for kind in hatched)


def test_nothing_sticks_out_at_any_width(shown):
    browser, _, path = shown
    for width in WIDTHS:
        open_page(browser, path, width)
        assert width == js(
            browser, 'return document.documentElement.scrollWidth'
        )
        out = js(
            browser,
            """return [...document.querySelectorAll(
              '#verdict *, #overview > *, #coverage > *, .bar > *')].filter(
              (e) => e.offsetParent && !e.closest('details:not([open]) > div')
                && e.getBoundingClientRect().right > innerWidth + 1)
              .map((e) => e.outerHTML.slice(0, 80))""",
        )
        assert out == [], width
    size(browser, 1280)


def test_every_choice_of_a_baseline_shows_the_answers_of_the_tests(
    browser, ten
):
    """Signs, gaps and shading are what `stats.compare` says of each pair."""
    board, path = ten
    open_page(browser, path)
    by_cell = {
        (row.short_name, columns.of(row).key): row
        for columns in [Columns(board)]
        for row in columns.rows
    }
    decided = 0
    for name in ('Random init', 'MoCo v2', 'PixPro'):
        choose(browser, name)
        for method, _, column, text, kind in cells(browser):
            row, base = by_cell[method, column], by_cell[name, column]
            if row is base:
                assert text.split('\n')[-1].startswith('baseline')
                continue
            group = next(
                g.rows
                for g in board.groups
                if any(row is other for other in g.rows)
            )
            answer = answer_of(group, row, base)
            sign = {'better': '▲ better', 'worse': '▼ worse'}.get(
                answer.answer, 'undecided'
            )
            gap = rounding.signed(answer.difference, row.places)
            assert text.split('\n')[-1].startswith(f'{gap} {sign}'), text
            shade = {'better': 'up-', 'worse': 'down-'}.get(answer.answer)
            assert (shade in kind) if shade else ('-' not in kind)
            decided += shade is not None
    assert decided > 50
    assert browser.get_log('browser') == []


@pytest.fixture(scope='module')
def ten(tmp_path_factory):
    """Five methods on ten tasks: the board and its page."""
    path = tmp_path_factory.mktemp('ten') / 'page.html'
    board = board_of(ten_tasks())
    path.write_text(to_html(board), encoding='utf-8')
    return board, path


def answer_of(group, row, base):
    """Of the family of all pairs of a table, as the page's rows have it."""
    samples = [other.values for other in group]
    pairs = [
        (i, j) for i in range(len(group)) for j in range(i + 1, len(group))
    ]
    from ssl_bench.results import headings

    higher = headings.higher_is_better(row.task, row.metric)
    family = stats.compare(samples, pairs, higher)
    i, j = (
        next(k for k, other in enumerate(group) if other is one)
        for one in (row, base)
    )
    if (i, j) in pairs:
        return family[pairs.index((i, j))]
    return family[pairs.index((j, i))].turned()


def test_the_largest_difference_has_the_strongest_shade(browser, tmp_path):
    records = [
        make_record(name, seed=seed, metrics={'top1': base + seed / 100})
        for name, base in (
            ('Random init', 40.0),
            ('A', 80.0),
            ('B', 50.5),
            ('C', 31.0),
        )
        for seed in (0, 1, 2)
    ]
    for record in records:  # so that the differences vary
        record['metrics']['top1'] += (
            0.03 * (len(record['method']) % 3) * (record['seed'] % 2)
            + 0.001 * ord(record['method'][0]) * record['seed'] ** 2
        )
    open_board(browser, tmp_path / 'shade.html', board_of(records))
    kinds = {method: kind for method, *_, kind in cells(browser)}
    assert 'up-4' in kinds['A'] and 'best' in kinds['A']
    assert 'up-2' in kinds['B']  # 10.5 of 40
    assert 'down-1' in kinds['C']  # 9 of 40
    click(browser, '#matrix-tools [value=difference]')
    texts = {method: text for method, _, _, text, _ in cells(browser)}
    assert texts['A'].startswith('+4') and '★ unbeaten' in texts['A']
    assert '▲\nbetter by' in texts['A'] and '▼\nworse by' in texts['C']
    assert '[' in texts['A'] and 'n=3' in texts['A']


def test_choices_stand_in_the_address(browser, ten):
    board, path = ten
    open_page(browser, path)
    choose(browser, 'PixPro')
    click(browser, '#matrix-tools [value=difference]')
    click(browser, '#m-columns summary')
    for key in ('mini_knn', 'in_c'):
        click(browser, f'#m-columns input[value="{key}"]')
    click(browser, '#m-columns summary')
    click(browser, '#matrix-table [data-key=mini_depth]')
    browser.find_element('id', 'm-find').send_keys('o')
    before = cells(browser)
    assert {column for _, _, column, _, _ in before}.isdisjoint(
        {'mini_knn', 'in_c'}
    )
    assert {method for method, *_ in before} == {
        'Random init',
        'MoCo v2',
        'InsLoc (FPN)',
        'PixPro',
    }
    for part in ('baseline=PixPro', 'view=difference', 'order=mini_depth'):
        assert part in browser.current_url
    browser.refresh()
    ready(browser)
    assert cells(browser) == before
    value = 'return document.getElementById("m-baseline").value'
    assert js(browser, value) == 'PixPro'
    # what is the default again is not in the address
    choose(browser, 'Random init')
    assert 'baseline' not in browser.current_url
    # a link that names what is not there shows the normal page
    open_page(
        browser, f'{path.as_uri()}#overview&baseline=x&columns=y&order=z'
    )
    assert len(cells(browser)) == len(Columns(board).rows)
    assert browser.get_log('browser') == []


def test_headings_stay_while_the_table_is_scrolled(browser, tmp_path):
    records = list(
        suite([(f'Method {i}', '', i / 3) for i in range(40)], METRICS, (0, 1))
    )
    open_board(browser, tmp_path / 'long.html', board_of(records))
    size(browser, 800)
    places = """
      const box = document.querySelector('.matrix');
      box.scrollIntoView();
      const top = () => {
        const side = box.getBoundingClientRect();
        const head = box.querySelector('thead').getBoundingClientRect();
        const name = box.querySelector('tbody tr:nth-child(30) th')
          .getBoundingClientRect();
        const corner = box.querySelector('thead tr:last-child th')
          .getBoundingClientRect();
        return [head.top - side.top, name.left - side.left,
          corner.left - side.left].map(Math.round);
      };
      const before = top();
      box.scrollTo(300, 900);
      return [before, top(), box.scrollTop, box.scrollLeft]"""
    before, after, down, right = js(browser, places)
    assert (down, right) == (900, 300)
    assert before == after == [1, 1, 1]
    size(browser, 1280)


def test_ten_tasks_fit_a_wide_window(browser, ten):
    _, path = ten
    open_page(browser, path, 1920)
    wide = js(
        browser,
        """const box = document.querySelector('.matrix');
        return [box.scrollWidth, box.clientWidth, document.querySelectorAll(
          '#matrix-table thead tr:last-child th').length]""",
    )
    assert wide[0] <= wide[1] and wide[1] > 1800 and wide[2] >= 11
    size(browser, 1280)


def test_verdict_and_matrix_are_on_the_first_screen(browser, ten):
    _, path = ten
    open_page(browser, path)
    size(browser, 1280, 900)
    bottom = 'return document.querySelector("{}").getBoundingClientRect()'
    verdicts = js(browser, bottom.format('#verdict') + '.bottom')
    row = '#matrix-table tbody tr:nth-child(2)'
    assert verdicts < 500
    assert js(browser, bottom.format(row) + '.bottom') < 900


def test_verdicts_are_sentences_decided_first(browser, ten):
    board, path = ten
    open_page(browser, path)
    lines = browser.find_elements('css selector', '#verdict-list > li')
    assert 3 <= len(lines) <= 6
    assert {line.get_attribute('class') for line in lines} == {'decided'}
    assert any(
        'pretraining helps:' in line.text
        and 'Random init by' in line.text
        and '3 paired seeds' in line.text
        for line in lines
    )
    more = browser.find_element('id', 'more-verdicts')
    assert more.text == f'{len(Columns(board).all) - len(lines)} more verdicts'
    more.find_element('css selector', 'summary').click()
    assert 'undecided' in more.text or 'leads' in more.text


def test_the_skip_link_goes_past_the_navigation(browser, ten):
    _, path = ten
    open_page(browser, path)
    press(browser, '\ue004')  # Tab
    assert js(browser, 'return document.activeElement.className') == 'skip'
    press(browser, '\ue007')  # Enter
    assert js(browser, 'return document.activeElement.id') == 'verdict'
    press(browser, '\ue004')
    inside = 'return document.activeElement.closest("main") !== null'
    assert js(browser, inside)


def test_reproduction_is_at_the_top(browser, tmp_path):
    open_board(browser, tmp_path / 'papers.html', pages.board('printed'))
    text = browser.find_element('id', 'reproduction').text
    assert (
        text.startswith('Papers: ') and ' printed numbers reproduced' in text
    )


def test_trial_runs_are_said_to_mean_nothing(browser, tmp_path):
    records = [
        make_record(name, departures=[TRIAL])
        for name in ('Random init', 'MoCo v2')
    ]
    open_board(browser, tmp_path / 'trial.html', board_of(records))
    note = browser.find_element('id', 'trial')
    assert note.is_displayed() and 'mean nothing' in note.text
    assert browser.find_elements('css selector', '#verdict-list li') == []


def test_a_missing_cell_leads_to_its_command(browser, tmp_path):
    open_board(browser, tmp_path / 'gaps.html', pages.board('missing'))
    gaps = browser.find_elements('css selector', '#matrix .gap')
    assert len(gaps) == 5 and gaps[0].text.startswith('missing')
    gaps[0].click()
    line = browser.find_element('css selector', '#gaps tr.found')
    assert line.is_displayed() and 'ssl-bench transfer' in line.text
    command = line.find_element('css selector', 'code').text
    browser.execute_cdp_cmd(
        'Browser.grantPermissions',
        dict(permissions=['clipboardReadWrite', 'clipboardSanitizedWrite']),
    )
    line.find_element('css selector', 'button').click()
    wait(lambda: 'Copied' in line.text)
    copied = browser.execute_async_script(
        'navigator.clipboard.readText().then(arguments[0])'
    )
    assert copied == command


def test_a_baseline_of_another_backbone(browser, tmp_path):
    board = build(
        [Stored(r, 'r.json') for r in pages.backbones()],
        published='none',
        baseline='Random init [vit_tiny_patch16]',
    )
    open_board(browser, tmp_path / 'across.html', board)
    click(browser, '#matrix-tools [value=difference]')
    own = {row.short_name + row.backbone: row for row in Columns(board).rows}
    for method, network, column, text, _ in cells(browser):
        row = next(
            row
            for row in Columns(board).rows
            if (row.short_name, row.network, row.task)
            == (method, network, column)
        )
        if row.difference is not None:
            gap = rounding.signed(row.difference.difference, row.places)
            assert text.startswith(gap), (method, network, column)
    assert own
    assert browser.get_log('browser') == []


def test_the_title_says_what_the_page_is_about():
    records = suite(METHODS[:3], ['mini_knn', 'mini_seg_fcn'])
    text = to_html(board_of(records))
    title = 'MoCo v2, Supervised and Random init on 2 tasks'
    assert f'<title>{title} · ssl_bench</title>' in text
    assert f'<h1 id="h-verdict">{title}</h1>' in text
    evil = to_html(board_of([make_record('<b>')]))
    assert '<title>&lt;b&gt; on 1 task · ssl_bench</title>' in evil
    assert '<title>5 methods on 3 tasks · ' in to_html(pages.board('plain'))
