"""A page that follows runs while they write."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results import watch as watch_module
from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.report import to_html
from ssl_bench.results.store import scan
from ssl_bench.results.watch import Watch, state_of
from tests.results.browsing import js, open_page, ready, wait
from tests.results.factory import make_record


def data_of(path):
    text = path.read_text(encoding='utf-8')
    return json.loads(
        re.search('id="data">(.*?)</script>', text, re.DOTALL)[1]
    )


class Clock:
    """Stands for `time` in the module: each sleep is a step of a script."""

    def __init__(self, *steps):
        self.steps, self.slept = list(steps), []

    def sleep(self, seconds):
        self.slept.append(seconds)
        step = self.steps.pop(0)
        if step is None:
            raise KeyboardInterrupt
        step()

    def perf_counter(self):
        return time.perf_counter()

    def strftime(self, form):
        return time.strftime(form)


@pytest.fixture
def watching(tmp_path, monkeypatch):
    """Run a watch over steps; the page and the lines that it printed."""
    work, page, lines = tmp_path / 'work', tmp_path / 'page.html', []

    def board():
        return build(*scan([work]), published='none')

    def run(*steps, board=board):
        clock = Clock(*steps, None)
        monkeypatch.setattr(watch_module, 'time', clock)
        watched = Watch([work], page, board, 2.0, lines.append)
        with pytest.raises(KeyboardInterrupt):
            watched.run()
        return clock

    run.work, run.page, run.lines = work, page, lines
    return run


def test_the_page_follows_records_and_logs(watching):
    seen = []

    def look():
        data = data_of(watching.page)
        seen.append((len(data['runs']), len(data['curves'])))
        assert data['watched']['seconds'] == 2.0

    def record(seed):
        record = make_record(seed=seed)
        write_record(watching.work / record['run_id'], record)

    def first():
        look()
        record(0)

    def second():
        look()
        record(1)
        log = watching.work / 'mine_seed0' / '1' / 'vis_data'
        log.mkdir(parents=True)
        (log / 'scalars.json').write_text(
            '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n'
        )

    def nothing():
        look()

    clock = watching(first, second, nothing, look)
    assert seen == [(0, 0), (1, 0), (2, 1), (2, 1)]
    # it waited for the folder, wrote three pages, and one at the end that
    # nobody watches
    said = [re.sub(r'^\d\d:\d\d:\d\d  ', '', line) for line in watching.lines]
    assert said[0].startswith('watching ')
    assert [line.split(',')[0] for line in said[1:]] == [
        '0 records',
        '1 record',
        '2 records',
        '2 records',
    ]
    assert 'watched' not in data_of(watching.page)
    assert all(pause >= 2.0 for pause in clock.slept)


def test_what_stands_in_the_way_is_said_once(watching):
    watching.work.mkdir()
    (watching.work / 'result.json').write_text('')
    calls = []

    def board():
        calls.append(1)
        if len(calls) < 3:
            raise UserError('no row of --methods Mine')
        return build(*scan([watching.work]), published='none')

    def change(text):
        return lambda: (watching.work / 'result.json').write_text(text)

    watching(change('a'), change('bc'), board=board)
    waits = [line for line in watching.lines if 'waiting' in line]
    assert len(waits) == 1 and 'no row of --methods Mine' in waits[0]
    assert watching.page.exists()


def test_a_page_takes_a_tenth_of_the_time_at_most(watching, monkeypatch):
    moments = iter(range(0, 1000, 5))  # five seconds for a page
    steps = [lambda: None]
    clock = Clock(*steps, None)
    clock.perf_counter = lambda: next(moments)
    monkeypatch.setattr(watch_module, 'time', clock)
    board = lambda: build([], [], published='none')  # noqa: E731
    with pytest.raises(KeyboardInterrupt):
        Watch([], watching.page, board, 2.0, watching.lines.append).run()
    assert clock.slept == [45, 2.0]


def test_only_what_the_page_shows_counts(tmp_path):
    write_record(tmp_path / 'a', make_record())
    before = state_of([tmp_path])
    (tmp_path / 'a' / 'epoch_1.pth').write_text('weights')
    (tmp_path / 'page.html').write_text('the page')
    assert state_of([tmp_path]) == before
    (tmp_path / 'a' / 'scalars.json').write_text('{}')
    assert state_of([tmp_path]) != before


@pytest.mark.parametrize(
    'words, message',
    [
        ('--watch', 'add -o page.html'),
        ('--watch 5 -o x.csv', 'add -o page.html'),
        ('--watch 0 -o x.html', 'expected 1 to 86400 seconds'),
        ('--watch nan -o x.html', 'expected 1 to 86400 seconds'),
        ('--watch --sensitivity -o x.html', 'leave out --watch'),
    ],
)
def test_options_that_do_not_fit(words, message, tmp_path, capsys):
    assert main(['leaderboard', str(tmp_path), *words.split()]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_ends_the_command(tmp_path):
    write_record(tmp_path / 'a', make_record())
    page = tmp_path / 'page.html'
    command = 'leaderboard', str(tmp_path), '-o', str(page), '--watch', '1'
    with subprocess.Popen(
        [sys.executable, '-m', 'ssl_bench', *command],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait(page.exists, 120)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    lines = err.strip().splitlines()
    assert '1 record, ' in lines[1] and lines[-1].endswith('interrupted')
    assert 'watched' not in data_of(page)


@pytest.mark.slow
def test_the_page_reloads_and_keeps_place_and_choices(browser, tmp_path):
    for seed in (0, 1):
        record = make_record(seed=seed)
        write_record(tmp_path / record['run_id'], record)
    page = tmp_path / 'page.html'

    def write(changed):
        about = dict(seconds=1.0, changed=changed)
        board = build(*scan([tmp_path]), published='none')
        page.write_text(to_html(board, [tmp_path], about), encoding='utf-8')

    write('10:00:00')
    open_page(browser, page.as_uri() + '#numbers&q=moco')
    say = 'return document.querySelector(".watching").textContent'
    assert js(browser, say) == 'watching, last change 10:00:00'
    js(browser, 'window.scrollTo(0, 120); window.old = true')
    write('10:00:07')
    wait(lambda: js(browser, 'return !window.old'))
    ready(browser)
    wait(lambda: '10:00:07' in js(browser, 'return document.body.innerText'))
    assert js(browser, 'return location.hash') == '#numbers&q=moco'
    wait(lambda: js(browser, 'return Math.round(scrollY)') == 120)
    # not while somebody writes
    wait(
        lambda: js(
            browser,
            """
            const field = document.getElementById('f-q');
            if (field) field.focus();
            window.old = true;
            return field && document.activeElement === field;
            """,
        )
    )
    time.sleep(2.5)
    assert js(browser, 'return window.old')
    browser.get('about:blank')
    assert [e for e in browser.get_log('browser') if 'file:' in str(e)] == []


def test_other_pages_do_not_reload(tmp_path):
    text = to_html(build([], [], published='none'))
    assert 'location.reload' not in text and 'class="watching"' not in text
