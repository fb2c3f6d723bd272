"""The page for everybody: axe, contrast, forced colours, keyboard, paper."""

import pytest

from ssl_bench.results.report import to_html
from tests.results import pages
from tests.results.accessible import low_contrast, violations
from tests.results.browsing import (
    click,
    draw_all,
    js,
    open_page,
    press,
    size,
    wait,
)

LOOKS = {
    'light': dict(theme='light'),
    'dark': dict(theme='dark'),
    'forced colours': dict(theme='light', forced='active'),
    'forced dark colours': dict(theme='dark', forced='active'),
    'phone': dict(theme='light', width=390),
}


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return tmp_path_factory.mktemp('pages')


@pytest.fixture
def odd(browser, files):
    """Opens the page of a board in a look; the console stays silent."""

    def open_it(name, look='light'):
        page = files / f'{name}.html'
        if not page.exists():
            page.write_text(to_html(pages.board(name)), encoding='utf-8')
        choose(browser, **LOOKS[look])
        open_page(browser, page, LOOKS[look].get('width', 1280))

    yield open_it
    choose(browser, '')
    assert browser.get_log('browser') == []


def choose(browser, theme, forced='none', width=1280):
    features = dict(
        {'prefers-color-scheme': theme}, **{'forced-colors': forced}
    )
    browser.execute_cdp_cmd(
        'Emulation.setEmulatedMedia',
        dict(
            features=[
                dict(name=name, value=value)
                for name, value in features.items()
            ]
        ),
    )
    size(browser, width)


@pytest.mark.parametrize('name', [n for n in pages.RECORDS if 'many' not in n])
def test_axe_finds_nothing(browser, odd, name):
    for look in LOOKS:
        odd(name, look)
        assert violations(browser) == [], look
        draw_all(browser)
        assert low_contrast(browser) == [], look


def test_axe_finds_nothing_in_open_dialogs(browser, odd):
    """The panel of a number, and the choice of columns."""
    for look in ('light', 'dark', 'phone'):
        odd('printed', look)
        js(browser, 'document.querySelector("#fields").open = true')
        assert violations(browser) == [], look
        js(browser, 'document.querySelector("#rows .open").click()')
        assert violations(browser) == [], look
        assert low_contrast(browser) == [], look


def test_the_first_key_skips_to_the_results(browser, odd):
    odd('plain')
    press(browser, '\ue004')  # Tab
    link = browser.switch_to.active_element
    assert link.text.startswith('Skip to') and link.is_displayed()
    box = js(
        browser,
        'const b = document.activeElement.getBoundingClientRect();'
        'return [b.left, b.top]',
    )
    assert min(box) >= 0
    press(browser, '\ue007')  # Enter
    wait(lambda: js(browser, 'return document.activeElement.id !== ""'))
    inside = 'return document.activeElement.closest("main") !== null'
    assert js(browser, inside)
    press(browser, '\ue004')
    assert js(browser, inside)  # on from there, not from the top


def test_tab_follows_the_order_of_the_page(browser, odd):
    """From above to below, and every step can be seen."""
    odd('plain')
    places = []
    for _ in range(400):
        press(browser, '\ue004')
        found = js(
            browser,
            'const e = document.activeElement; if (e === document.body) '
            'return null; const r = e.getBoundingClientRect();'
            'const main = e.closest("main section");'
            'return [main ? main.id : "", r.width * r.height]',
        )
        if found is None:
            break
        assert found[1] > 0
        places.append(found[0])
    sections = [
        place
        for i, place in enumerate(places)
        if place and place not in places[:i]
    ]
    order = js(
        browser,
        'return [...document.querySelectorAll("main > section")].map('
        'e => e.id)',
    )
    assert sections == [name for name in order if name in sections]
    assert 'numbers' in sections
    assert places == sorted(places, key=lambda p: [*[''], *order].index(p))


def test_paper_has_headers_and_no_controls(browser, odd):
    odd('printed')
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media='print'))
    try:
        wait(
            lambda: (
                js(browser, 'return document.documentElement.dataset.theme')
                == 'light'
            )
        )
        seen = js(
            browser,
            """const shown = (e) => e.checkVisibility()
              && e.getBoundingClientRect().width > 1;
            const all = (s) => [...document.querySelectorAll(s)];
            return {
              heads: all('main section').filter(shown).map((s) =>
                [s.id, all(`#${s.id} h1, #${s.id} h2`).some(shown)]),
              controls: all('form, select, input, .controls, dialog, nav').filter(shown).map((e) => e.outerHTML.slice(0,
                120)),
              groups: all('table').filter(shown).map((t) => t.tHead
                && getComputedStyle(t.tHead).display),
              cut: all('.scroll').filter((e) => shown(e)
                && e.scrollHeight > e.clientHeight + 1).length,
            }""",
        )
    finally:
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(media=''))
    assert [name for name, titled in seen['heads'] if not titled] == []
    assert seen['controls'] == []
    # a table-header-group stands on top of every page
    assert set(seen['groups']) == {'table-header-group'}
    assert seen['cut'] == 0


def test_best_is_told_by_text_too(browser, odd):
    """Not by a colour alone: forced colours take it away."""
    odd('plain', 'forced colours')
    click(browser, '#rows tbody .open')
    assert 'Place' in browser.find_element('id', 'panel').text
