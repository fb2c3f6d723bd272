"""What the tests of the page in a real browser share.

The fixtures `browser`, `page` and `opened` are in conftest.py.
"""

import json
import time

from ssl_bench.results.report import to_html

FLAGS = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--hide-scrollbars',
]
EVIL = '<script>alert(1)</script>'


def open_page(browser, path, width=1280):
    """Show a file and wait until it is drawn."""
    size(browser, width)
    # an address that differs in its hash alone would not load again
    browser.get('about:blank')
    browser.get(path.as_uri() if hasattr(path, 'as_uri') else path)
    ready(browser)


def open_board(browser, path, board, dirs=()):
    """Write the page of a board and show it."""
    path.write_text(to_html(board, dirs), encoding='utf-8')
    open_page(browser, path)


def ready(browser):
    wait(lambda: js(browser, 'return document.body.dataset.ready'))


def draw_all(browser):
    """Draw the charts that are not near the window, as printing does."""
    js(browser, 'window.dispatchEvent(new Event("beforeprint"))')
    wait(
        lambda: js(
            browser,
            'return [...document.querySelectorAll(".plot")].every('
            'e => e.offsetParent === null || e.dataset.drawn)',
        )
    )


def js(browser, program, *arguments):
    return browser.execute_script(program, *arguments)


def data(browser):
    """Everything the page was given."""
    return json.loads(
        js(browser, 'return document.getElementById("data").textContent')
    )


def wait(condition, seconds=20):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, 'the page is not ready'
        time.sleep(0.05)


def size(browser, width, height=900):
    browser.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride',
        dict(
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        ),
    )


COLUMNS = """
const [keys, done] = arguments;
const box = document.getElementById('rows-box');
const heads = [...document.querySelectorAll('#rows thead button')];
const at = keys.map((key) => heads.findIndex((h) => h.dataset.key === key));
const count = document.getElementById('rows').ariaRowCount - 1;
const found = new Map();
function look() {
  for (const row of document.querySelectorAll('#rows tbody tr')) {
    found.set(row.ariaRowIndex - 2, at.map(
      (i) => (i < 0 ? '' : row.children[i].innerText)));
  }
  const top = box.scrollTop;
  box.scrollTop = top + box.clientHeight;
  if (box.scrollTop === top) {
    box.scrollTop = 0;
    done(keys.map((key, i) => (at[i] < 0 ? null : Array.from(
      {length: count}, (_, row) => (found.get(row) || [])[i]))));
  } else {
    requestAnimationFrame(() => requestAnimationFrame(look));
  }
}
box.scrollTop = 0;
requestAnimationFrame(() => requestAnimationFrame(look));
"""


def columns(browser, *keys):
    """Texts of columns of all numbers, of every row; None if not shown."""
    return browser.execute_async_script(COLUMNS, keys)


def column(browser, key):
    """Texts of one of them."""
    return columns(browser, key)[0]


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def click(browser, selector):
    browser.find_element('css selector', selector).click()
