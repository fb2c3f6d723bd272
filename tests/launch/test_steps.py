"""How far the steps are, and what the time left is computed from."""

import io

import pytest

from ssl_bench.launch import steps
from ssl_bench.launch.command import Command
from ssl_bench.launch.outputs import file_names, keep_lines
from ssl_bench.launch.steps import Estimate, Step, StepsView


@pytest.fixture
def clock(monkeypatch):
    """Seconds that only a test moves."""
    now = [100.0]
    monkeypatch.setattr(steps.time, 'monotonic', lambda: now[0])
    return now


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self):
        return True


def test_time_left_is_by_known_cost_and_not_by_count():
    costs = [Step('long', 'a', 300.0), *(Step('b', 'b', 10.0) for _ in '123')]
    estimate = Estimate(costs, 1)
    assert estimate.left(range(4), 0.0) == 330.0
    for number in (1, 2):
        estimate.start(number, 0.0)
        estimate.end(number, 10.0)
    # half of the steps have ended, and the long one is still to come
    assert estimate.left([0, 3], 20.0) == 310.0


def test_a_slow_machine_makes_all_that_is_left_longer():
    estimate = Estimate([Step('a', 'a', 10.0), Step('b', 'b', 30.0)], 1)
    estimate.start(0, 0.0)
    estimate.end(0, 25.0)
    assert estimate.left([1], 25.0) == 75.0
    estimate.start(1, 25.0)
    assert estimate.left([], 60.0) == 40.0
    assert estimate.left([], 500.0) == 0.0


def test_steps_of_a_kind_take_as_long_as_those_before():
    kinds = [Step('x', 'knn', 10.0), Step('y', 'knn', 10.0), Step('z', 'knn')]
    estimate = Estimate(kinds, 1)
    for number, seconds in ((0, 4.0), (1, 6.0)):
        estimate.start(number, 0.0)
        estimate.end(number, seconds)
    assert estimate.left([2], 10.0) == 5.0


def test_nothing_is_said_of_a_kind_that_nobody_knows():
    estimate = Estimate([Step('a', 'a', 10.0), Step('b', 'b')], 1)
    assert estimate.left([0, 1], 0.0) is None
    assert estimate.left([0], 0.0) == 10.0


def test_places_and_order_count():
    plan = [
        Step('pretrain', 'p', 100.0),
        Step('transfer', 't', 20.0, after=0),
        Step('other', 'o', 50.0),
        Step('more', 'o', 50.0),
    ]
    assert Estimate(plan, 1).left(range(4), 0.0) == 220.0
    # 100 and then 20 in one place, 50 and 50 in the other
    assert Estimate(plan, 2).left(range(4), 0.0) == 120.0
    # what waits for a step that has failed never starts
    assert Estimate(plan, 2).left([1, 2], 0.0) == 50.0


def test_a_log_gets_a_line_at_times(clock):
    stream = io.StringIO()
    commands = [Step(f'step {i}', 'k', 20.0) for i in range(4)]
    view = StepsView(commands, 1, done=3, stream=stream)
    for number in range(4):
        view.start(number)
        clock[0] += 20
        view.end(number)
    view.clear()
    assert stream.getvalue().splitlines() == [
        '[5/7] 0:40 elapsed, about 0:40 left',
        '[7/7] 1:20 elapsed, about 0:00 left',
    ]


def test_a_terminal_has_one_line_as_wide_as_it_is(clock, monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '60')
    stream = Terminal()
    title = 'transfer MoCo v2 to mini_depth, seed 1'
    view = StepsView([Step(title, 'k', 30.0), Step('b', 'k')], 2, 0, stream)
    view.start(0)
    clock[0] += 10
    view.draw()
    view.end(0, well=False)
    view.note = 'stops'
    view.draw()
    view.clear()
    shown = stream.getvalue().split(steps.CLEAR)
    assert shown[1] == '[0/2] 0:00 elapsed: ' + title
    assert '\n' not in stream.getvalue() and shown[-1] == ''
    assert shown[-2] == '[0/2] 0:10 elapsed: stops'
    view.start(1)
    view.note = ''
    view.steps = [Step('界' * 60), Step('界' * 60)]
    view.draw()
    last = stream.getvalue().split(steps.CLEAR)[-1]
    assert last.endswith('…') and steps.cell_len(last) <= 59


def test_names_are_shown_and_not_obeyed(clock):
    stream = io.StringIO()
    view = StepsView([Step('a\x1b[2Jb\nc')], 1, stream=stream)
    view.start(0)
    view.say(view.line())
    assert '\x1b' not in stream.getvalue()
    assert stream.getvalue().count('\n') == 1


def test_each_command_has_a_file_of_its_own():
    titles = ['Pretrain InsLoc (FPN), seed 0', 'pretrain insloc fpn seed 0']
    assert file_names([*titles, 'x/../y', '界']) == [
        'pretrain-insloc-fpn-seed-0.log',
        'pretrain-insloc-fpn-seed-0-2.log',
        'x-y.log',
        'step.log',
    ]


def test_a_file_keeps_what_was_there(tmp_path):
    path = tmp_path / 'logs/a.log'
    lines = [f'line {i}\n' for i in range(9)]
    assert keep_lines(iter(lines), path, '$ one') == [
        f'line {i}' for i in range(4, 9)
    ]
    keep_lines(iter(['again\n']), path, '$ two')
    text = path.read_text().splitlines()
    assert len(text) == 12 and text[0].endswith(' $ one')
    assert text[-2].endswith(' $ two') and text[-1] == 'again'


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / 'logs').write_text('')
    lines = keep_lines(iter(['a\n', 'b\n']), tmp_path / 'logs/a.log', '$')
    assert lines == ['a', 'b']


def test_a_command_without_a_title_is_named_by_its_words():
    command = Command(('tasks', 'mini_knn'), 3, seconds=2.0)
    assert command.step == Step('ssl-bench tasks mini_knn', '', 2.0, 3)
