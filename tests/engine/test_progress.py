import io

from ssl_bench.engine.progress import ProgressLine, clock


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
