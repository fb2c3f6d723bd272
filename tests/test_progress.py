import io
import re

from ssl_bench.progress import ProgressLine, clock


def test_clock():
    assert clock(59.6) == '1:00'
    assert clock(3661) == '1:01:01'


def test_lines_off_a_terminal(monkeypatch):
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    stream = io.StringIO()
    line = ProgressLine('train', total=10, stream=stream, interval=20)
    for done, at in ((1, 5.0), (2, 20.0), (3, 25.0), (4, 40.0)):
        now[0] = at
        line.update(done)
    line.close('loss 1.0,')
    assert stream.getvalue().splitlines() == [
        'train: 2/10 1:20 left',
        'train: 4/10 1:00 left',
        'train: loss 1.0, done in 0:40',
    ]


def test_resumed_steps_do_not_count_as_speed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    stream = io.StringIO()
    line = ProgressLine('train', total=100, done=90, stream=stream)
    now[0] = 50.0
    line.update(95)
    assert '95/100 0:50 left' in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    """What was drawn, without the codes for colours and the cursor."""
    text = re.sub(r'\x1b\[[?\d;]*[a-zA-Z]', '', stream.getvalue())
    return [part.strip() for part in re.split(r'[\r\n]', text) if part.strip()]


def test_a_bar_on_a_terminal(monkeypatch):
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    stream = Terminal()
    line = ProgressLine('train', total=110, done=10, stream=stream)
    for done in range(11, 61):
        now[0] += 1
        line.update(done, 'loss [2.0]')
    last = shown(stream)[-1]
    assert last.startswith('train ━') and '60/110 loss [2.0]' in last
    assert last.endswith('00:50 left')  # the ten steps before do not count
    assert stream.getvalue().count('60/110') == 1
    line.update(60)  # again within a fifth of a second: not drawn
    assert stream.getvalue().count('60/110') == 1
    now[0] = 101.0
    line.close('loss 1.0,')
    # the bar is erased, the cursor is visible, the last line stays
    assert stream.getvalue().endswith('\x1b[2Ktrain: loss 1.0, done in 1:41\n')
    assert stream.getvalue().rindex('\x1b[?25h') > stream.getvalue().rindex(
        '\x1b[?25l'
    )


def test_the_bar_goes_at_the_last_step_and_once():
    stream = Terminal()
    line = ProgressLine('extract', total=2, stream=stream)
    line.update(1)
    line.update(2)
    text = stream.getvalue()
    assert text.endswith('\x1b[2K')
    line.stop()
    line.update(2)
    assert stream.getvalue() == text
