"""The section of training curves, in a real browser."""

import json

import pytest

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.report import to_html
from ssl_bench.results.store import scan
from tests.results.browsing import EVIL, click, js, open_page, size, wait
from tests.results.factory import make_record

pytestmark = pytest.mark.slow

FACETS = """
return [...document.querySelectorAll('#curve-facets figure')].map((f) => ({
  title: f.querySelector('figcaption').firstChild.textContent,
  key: f.style.getPropertyValue('--key'),
  lines: [...f.querySelectorAll('.mark-line.role-mark path')]
    .map((p) => p.getAttribute('stroke')),
  titles: [...f.querySelectorAll('.role-axis-title text')].map(
    (t) => t.textContent),
  inside: [...f.querySelectorAll('.mark-line.role-mark path')]
    .every((p) => {
      const line = p.getBoundingClientRect();
      const box = f.getBoundingClientRect();
      return line.left >= box.left && line.right <= box.right
        && line.top >= box.top && line.bottom <= box.bottom;
    }),
}));
"""


def write_log(folder, config, method, losses, **more):
    log = folder / '1' / 'vis_data'
    log.mkdir(parents=True)
    (folder / f'{config}.py').write_text(f'method = dict(name={method!r})\n')
    (log / 'scalars.json').write_text(
        '\n'.join(
            json.dumps(dict(step=10 * i, loss=loss, lr=0.1 / (i + 1), **more))
            for i, loss in enumerate(losses, 1)
        )
    )


@pytest.fixture(scope='module')
def curves_page(tmp_path_factory):
    """Two pretrainings of MoCo v2, one of a hostile name, a transfer."""
    top = tmp_path_factory.mktemp('curves')
    for seed in (0, 1):
        record = make_record('MoCo v2', task='mini_seg_fcn', seed=seed)
        record['pretrain']['config'] = 'moco_r18'
        write_record(top / record['run_id'], record)
        losses = [6.0 - seed - 0.1 * i for i in range(30)]
        write_log(
            top / f'moco_r18_seed{seed}',
            'moco_r18',
            'MoCo v2',
            losses,
            feature_std=0.5,
            feature_rank=40.0,
        )
        write_log(top / record['run_id'], 'mini_seg_fcn', 'x', losses)
    write_log(top / 'evil', 'evil', EVIL, [-0.5, -0.6, -0.7])
    board = build(*scan([top]))
    (top / 'page.html').write_text(to_html(board, [top]), encoding='utf-8')
    return top / 'page.html'


@pytest.fixture
def opened(browser, curves_page):
    open_page(browser, curves_page)
    yield browser
    assert browser.get_log('browser') == []


def facets(browser):
    wait(lambda: js(browser, FACETS))
    return js(browser, FACETS)


def choose(browser, name, value):
    js(
        browser,
        """
        const select = document.getElementById(arguments[0]);
        select.value = arguments[1];
        select.dispatchEvent(new Event('change', {bubbles: true}));
        """,
        f'curve-{name}',
        value,
    )


def lines_of(browser, title):
    return next(f for f in facets(browser) if f['title'].startswith(title))


def test_a_facet_for_each_method_in_its_colour(opened):
    found = {f['title'].strip(): f for f in facets(opened)}
    assert set(found) == {'MoCo v2', EVIL}
    moco = found['MoCo v2']
    assert len(moco['lines']) == 2  # seeds
    colour = moco['key']
    assert colour.startswith('var(--series-')
    assert set(moco['lines']) == {colour}
    assert found[EVIL]['key'] != colour
    assert sorted(moco['titles']) == ['Training loss', 'iteration']
    assert all(f['inside'] for f in found.values())
    text = js(opened, 'return document.getElementById("curve-note").innerText')
    assert 'its own vertical axis' in text


def test_choices_are_in_the_address(opened):
    colour = lines_of(opened, 'MoCo v2')['key']
    choose(opened, 'group', 'mini_seg_fcn')
    wait(lambda: len(facets(opened)) == 1)
    [facet] = facets(opened)
    assert facet['key'] == colour  # of the method, not of its place
    options = js(
        opened,
        'return [...document.querySelectorAll("#curve-value option")]'
        '.map((o) => o.value)',
    )
    assert options == ['loss', 'lr']
    choose(opened, 'value', 'lr')
    choose(opened, 'smooth', '5')
    click(opened, '#curve-log')
    address = js(opened, 'return location.hash')
    for part in (
        'curve_group=mini_seg_fcn',
        'curve_value=lr',
        'curve_smooth=5',
        'curve_log=yes',
    ):
        assert part in address
    # the same link shows the same curves
    open_page(opened, js(opened, 'return location.href'))
    [facet] = facets(opened)
    assert sorted(facet['titles']) == ['Learning rate', 'iteration']
    assert len(facet['lines']) == 4  # as logged, and the mean
    assert js(opened, 'return document.getElementById("curve-log").checked')


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show(opened):
    click(opened, '#curve-log')
    wait(lambda: lines_of(opened, EVIL)['lines'] == [])
    text = js(opened, 'return document.getElementById("curves").innerText')
    assert 'Nothing above zero' in text
    assert '1 of the curves have numbers of zero or below' in text
    assert len(lines_of(opened, 'MoCo v2')['lines']) == 2


def test_rank_and_deviation_can_be_chosen(opened):
    choose(opened, 'value', 'feature_rank')
    wait(
        lambda: (
            'Effective rank of features'
            in lines_of(opened, 'MoCo v2')['titles']
        )
    )
    text = js(opened, 'return document.getElementById("curves").innerText')
    assert 'Not logged.' in text  # of the other method


def test_the_table_says_the_same(opened):
    rows = js(
        opened,
        'return [...document.querySelectorAll("#curve-table tbody tr")]'
        '.map((r) => [...r.children].map((c) => c.textContent))',
    )
    moco = [row for row in rows if row[0] == 'MoCo v2']
    assert [row[1:5] for row in moco] == [
        ['0', '300', '6', '3.1'],
        ['1', '300', '5', '2.1'],
    ]


def test_a_link_to_what_is_not_there_shows_the_default(browser, curves_page):
    open_page(
        browser,
        curves_page.as_uri()
        + '#curves&curve_group=gone&curve_value=gone&curve_smooth=x',
    )
    assert {f['title'].strip() for f in facets(browser)} == {'MoCo v2', EVIL}
    assert browser.get_log('browser') == []


def test_on_a_phone_facets_stand_below_one_another(browser, curves_page):
    open_page(browser, curves_page, 390)
    facets(browser)
    wide = js(browser, 'return document.documentElement.scrollWidth')
    assert wide <= 390
    size(browser, 1280)
