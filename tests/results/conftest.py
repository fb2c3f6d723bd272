"""A real browser, and a page in it."""

import shutil

import pytest

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.report import to_html
from ssl_bench.results.store import scan
from tests.results.browsing import EVIL, FLAGS, open_page
from tests.results.factory import METHODS, make_record, suite


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """Chromium without a window; skips where it is not installed."""
    webdriver = pytest.importorskip(
        'selenium.webdriver', reason='selenium is not installed'
    )
    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    driver = shutil.which('chromedriver')
    if not (chromium and driver):
        pytest.skip(
            'chromium and chromedriver are not installed '
            '(Debian: chromium, chromium-driver)'
        )
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        *FLAGS,
        '--user-data-dir=' + str(tmp_path_factory.mktemp('profile')),
    ):
        options.add_argument(flag)
    options.set_capability(
        'goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'}
    )
    window = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(driver)
    )
    yield window
    window.quit()


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Five methods on three tasks, three seeds, and a hostile name."""
    top = tmp_path_factory.mktemp('page')
    records = list(
        suite(METHODS, ['voc0712_det_c4', 'mini_knn', 'mini_seg_fcn'])
    )
    records.append(make_record(EVIL, metrics={'top1': 1.0}))
    for record in records:
        write_record(top / record['run_id'], record)
    board = build(*scan([top]), baseline='MoCo v2')
    (top / 'page.html').write_text(to_html(board, [top]), encoding='utf-8')
    return top / 'page.html'


@pytest.fixture
def opened(browser, page):
    """The page, drawn; afterwards the console must be silent."""
    open_page(browser, page)
    yield browser
    assert browser.get_log('browser') == []
