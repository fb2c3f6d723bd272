"""A browser without a window for the scripts that open pages.

Needs chromium, chromedriver and selenium (``pip install "ssl-bench[test]"``).
"""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars')


@contextlib.contextmanager
def browser() -> Iterator:
    """A window of chromium; closed at the end."""
    from selenium import webdriver

    chromium = shutil.which('chromium') or shutil.which('chromium-browser')
    driver = shutil.which('chromedriver')
    if not (chromium and driver):
        sys.exit('chromium and chromedriver are needed')
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f'--user-data-dir={profile}'):
            options.add_argument(flag)
        window = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(driver)
        )
        try:
            yield window
        finally:
            window.quit()


def resize(window, width: int, height: int) -> None:
    """The size of the view in CSS pixels; narrow ones are a phone."""
    window.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride',
        dict(
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        ),
    )


def show(window, page: Path, seconds: float = 60) -> None:
    """Open a page of the leaderboard and wait until it is drawn.

    Raises:
        TimeoutError: It is not ready in time.
    """
    window.get('about:blank')
    window.get(page.resolve().as_uri())
    end = time.monotonic() + seconds
    while not window.execute_script('return document.body.dataset.ready'):
        if time.monotonic() > end:
            raise TimeoutError(f'{page} is not ready after {seconds:g} s')
        time.sleep(0.01)
