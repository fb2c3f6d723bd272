"""TensorBoard, MLflow and Weights & Biases get the log of a run."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ssl_bench import environment
from ssl_bench.cli import main
from ssl_bench.config import parse_config
from ssl_bench.engine import tracking
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.engine.tracking import Sender, tracked
from ssl_bench.errors import UserError
from ssl_bench.results import read_records


def logged(folder):
    """Steps and losses of ``scalars.json``."""
    found = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            found[row['step']] = row['loss']
    return found


@pytest.mark.slow
def test_event_files_say_what_the_log_says(config, tmp_path):
    pretrain(config, tmp_path)
    [file] = tmp_path.glob('*/vis_data/events.out.tfevents.*')
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(file.parent)).Reload()
    losses = {e.step: e.value for e in events.Scalars('loss')}
    assert losses == pytest.approx(logged(tmp_path), rel=1e-6)
    assert len(losses) == 6
    assert {'lr', 'feature_std', 'feature_rank'} <= set(
        events.Tags()['scalars']
    )


@pytest.mark.slow
def test_tensorflow_is_not_imported(tmp_path):
    (tmp_path / 'tensorflow.py').write_text('raise SystemExit("imported")')
    program = (
        'import sys; from pathlib import Path\n'
        'from ssl_bench.engine.tracking import Sender\n'
        'from ssl_bench.engine.trackers import TensorBoard\n'
        'sender = Sender("TensorBoard", TensorBoard(Path("events")))\n'
        'sender.add_scalars(dict(loss=1.0), 1); sender.end("FINISHED")\n'
        'assert sender.lost == 0 and "tensorflow" not in sys.modules\n'
    )
    root = Path(environment.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{root}'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob('events/events.*'))


class Backend:
    """A tracker that fails or hangs as long as it is told to."""

    def __init__(self):
        self.got, self.fails, self.gate = [], False, threading.Event()
        self.gate.set()

    def add_scalars(self, numbers, step):
        self.gate.wait()
        if self.fails:
            raise ConnectionError('nobody\nis there')
        self.got.append((step, numbers))

    def end(self, status):
        self.got.append(status)


def drained(sender):
    end = time.time() + 20
    while sender.waiting.qsize():
        assert time.time() < end
        time.sleep(0.01)
    time.sleep(0.05)


def test_what_cannot_be_sent_is_said_once_and_tried_again(capsys):
    backend = Backend()
    sender = Sender('thing', backend)
    sender.add_scalars(dict(loss=1.0, text='x'), 1, 'file.json')
    drained(sender)
    backend.fails = True
    for step in (2, 3):
        sender.add_scalars(dict(loss=2.0), step)
    drained(sender)
    backend.fails = False
    sender.add_scalars(dict(loss=3.0), 4)
    sender.end('FINISHED')
    assert backend.got == [
        (1, dict(loss=1.0)),
        (4, dict(loss=3.0)),
        'FINISHED',
    ]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        'note: thing does not take the log: nobody is there. The run goes on.',
        'note: thing did not get all of this run (2 lines); scalars.json in '
        'its folder has it.',
    ]


def test_a_tracker_that_hangs_holds_nothing_up(monkeypatch, capsys):
    monkeypatch.setattr(tracking, 'PATIENCE', 0.2)
    backend = Backend()
    backend.gate.clear()
    sender = Sender('thing', backend)
    began = time.perf_counter()
    for step in range(3000):
        sender.add_scalars(dict(loss=1.0), step)
    assert time.perf_counter() - began < 2.0
    sender.end('FINISHED')
    assert time.perf_counter() - began < 5.0
    assert sender.waiting.qsize() <= tracking.MAX_WAITING
    assert 'did not get all of this run' in capsys.readouterr().err
    backend.gate.set()


def test_the_end_says_how_it_was(monkeypatch, tmp_path):
    ends = []
    monkeypatch.setattr(
        tracking.Tracking, 'end', lambda self, s: ends.append(s)
    )
    with tracked(tmp_path, 'a', dict):
        pass
    with pytest.raises(KeyboardInterrupt), tracked(tmp_path, 'a', dict):
        raise KeyboardInterrupt
    with pytest.raises(ValueError), tracked(tmp_path, 'a', dict):
        raise ValueError
    assert ends == ['FINISHED', 'KILLED', 'FAILED']


@pytest.mark.parametrize('command', ['pretrain', 'transfer', 'run'])
@pytest.mark.parametrize('name', ['mlflow', 'wandb'])
def test_a_missing_package_is_one_line(command, name, monkeypatch, capsys):
    monkeypatch.setattr(environment, 'find_spec', lambda name: None)
    words = dict(
        pretrain=['c.py'],
        transfer=['random', '--tasks', 'mini_knn'],
        run=['mini'],
    )
    assert main([command, *words[command], '--track', name]) == 2
    err = capsys.readouterr().err.strip()
    assert err == (
        f'ssl-bench {command}: {name} is not installed: '
        f'pip install "ssl-bench[{name}]"'
    )
    assert environment.TRACK not in os.environ


def test_a_tracker_that_is_none(monkeypatch):
    monkeypatch.setenv(environment.TRACK, 'mlfow')
    with pytest.raises(UserError, match='mlflow'):
        environment.trackers()
    monkeypatch.setenv(environment.TRACK, '')
    assert environment.trackers() == []


def test_nobody_is_asked_for_an_account(monkeypatch, tmp_path):
    """In a process of its own: W&B keeps what it found."""
    pytest.importorskip('wandb')
    for name in ('WANDB_MODE', 'WANDB_API_KEY'):
        monkeypatch.delenv(name, raising=False)
    for name in ('HOME', 'WANDB_CONFIG_DIR'):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv('NETRC', str(tmp_path / 'netrc'))
    words = ['-m', 'ssl_bench', 'run', 'nowhere', '--track', 'wandb']

    def error(**changes):
        found = subprocess.run(
            [sys.executable, *words],
            env={**os.environ, **changes},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 2
        (line,) = found.stderr.splitlines()
        return line

    assert 'wandb login' in error()
    assert 'does not start' in error(WANDB_MODE='nonsense')
    assert 'no suite at nowhere' in error(WANDB_MODE='offline')


@pytest.mark.parametrize('key', [None, 'x'])
def test_an_older_wandb_is_asked_in_its_way(monkeypatch, key):
    wandb = pytest.importorskip('wandb')
    monkeypatch.setenv(environment.TRACK, 'wandb')
    monkeypatch.delenv('WANDB_MODE', raising=False)
    monkeypatch.setattr(wandb, 'login', lambda verify=False: 1 / 0)
    monkeypatch.setattr(wandb, 'api', type('Api', (), dict(api_key=key)))
    if key:
        assert environment.trackers() == ['wandb']
    else:
        with pytest.raises(UserError, match='wandb login'):
            environment.trackers()
    monkeypatch.setenv('WANDB_MODE', 'offline')
    assert environment.trackers() == ['wandb']


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    """A server of MLflow with a SQLite file."""
    pytest.importorskip('mlflow', reason='mlflow is not installed')
    top = tmp_path_factory.mktemp('server')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    address = f'http://127.0.0.1:{port}'
    with open(top / 'log', 'w') as log:
        process = subprocess.Popen(
            [
                *(sys.executable, '-m', 'mlflow', 'server'),
                *('--backend-store-uri', f'sqlite:///{top}/runs.db'),
                *('--artifacts-destination', str(top / 'files')),
                *('--host', '127.0.0.1', '--port', str(port)),
                *('--workers', '1'),
            ],
            stdout=log,
            stderr=log,
            cwd=top,
            start_new_session=True,
        )
    end = time.time() + 600  # it imports a lot
    while True:
        try:
            urllib.request.urlopen(f'{address}/health', timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, (top / 'log').read_text()
            assert time.time() < end, (top / 'log').read_text()
            time.sleep(0.5)
    yield address
    os.killpg(process.pid, 15)
    process.wait(30)


@pytest.fixture
def patient(monkeypatch):
    """On a machine that does other things, too."""
    monkeypatch.setattr(tracking, 'PATIENCE', 300.0)
    monkeypatch.setenv('MLFLOW_HTTP_REQUEST_TIMEOUT', '120')


@pytest.mark.slow
@pytest.mark.usefixtures('patient')
def test_mlflow_has_a_pretraining_and_its_transfer(
    config, server, tmp_path, mini_root, monkeypatch
):
    monkeypatch.setenv('MLFLOW_TRACKING_URI', server)
    monkeypatch.setenv(environment.TRACK, 'mlflow')
    run = tmp_path / 'mine'
    pretrain(config, run)
    (run / 'epoch_2.pth').unlink()
    last = pretrain(config, run, resume=True)  # the same run goes on
    asked = f'transfer {last} --tasks mini_knn --data-root {mini_root}'
    words = [*asked.split(), '--work-dir', str(tmp_path / 'to')]
    monkeypatch.delenv(environment.TRACK)
    assert main([*words, '--track', 'mlflow']) in (0, 3)

    from mlflow import MlflowClient

    client = MlflowClient(server)
    experiment = client.get_experiment_by_name('ssl_bench')
    found = {
        run.data.params['kind']: run
        for run in client.search_runs([experiment.experiment_id])
    }
    assert len(client.search_runs([experiment.experiment_id])) == 2
    mine = found['pretraining']
    assert (mine.info.run_name, mine.info.status) == ('mine', 'FINISHED')
    assert mine.data.params['seed'] == '0'
    history = client.get_metric_history(mine.info.run_id, 'loss')
    assert {m.step: m.value for m in history} == pytest.approx(logged(run))
    files = [f.path for f in client.list_artifacts(mine.info.run_id)]
    assert any(name.endswith('.py') for name in files)
    [record] = read_records(tmp_path / 'to')
    there = found['transfer']
    assert there.info.run_name == record['run_id']
    assert there.data.metrics['result/top1'] == record['metrics']['top1']
    # nothing of it is in the settings, the record or its departures
    assert 'track' not in json.dumps(record)
    assert record['pretrain']['departures'] == record['departures'] == []
    settings = [parse_config(p.read_text()) for p in run.glob('*.py')]
    assert settings and 'MLflow' not in repr(settings)
    for found in settings:
        assert not {'track', 'tracking', 'trackers'} & set(found)


@pytest.mark.slow
def test_a_server_that_is_down_stops_no_run(
    config, tmp_path, monkeypatch, capfd
):
    pytest.importorskip('mlflow', reason='mlflow is not installed')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    monkeypatch.setenv('MLFLOW_TRACKING_URI', f'http://127.0.0.1:{port}')
    monkeypatch.setenv('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '1')
    monkeypatch.setenv(environment.TRACK, 'mlflow')
    began = time.perf_counter()
    last = pretrain(config, tmp_path)
    assert time.perf_counter() - began < 120
    assert last.name == 'epoch_2.pth' and len(logged(tmp_path)) == 6
    error = capfd.readouterr().err
    assert error.count('mlflow does not take the log') == 1
    assert 'Retrying' not in error  # urllib3's own lines


@pytest.mark.slow
@pytest.mark.usefixtures('patient')
def test_wandb_without_a_network(config, tmp_path, monkeypatch):
    pytest.importorskip('wandb', reason='wandb is not installed')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv(environment.TRACK, 'wandb')
    pretrain(config, tmp_path)
    kept = (tmp_path / 'wandb_run').read_text()
    [folder] = (tmp_path / 'wandb').glob('offline-run-*')
    assert folder.name.endswith(kept)
    assert list(folder.glob('*.wandb'))


@pytest.mark.slow
def test_heads_write_event_files_too(tmp_path, mini_root, registered, source):
    from ssl_bench.transfer.run import run_task

    options = {
        'train_cfg.max_iters': 2,
        'train_dataloader.batch_size': 2,
        'auto_scale_lr.base_batch_size': 2,
        'default_hooks.logger.interval': 1,
    }
    outcome = run_task(
        source, 'mini_seg_fcn', 0, tmp_path, str(mini_root), options
    )
    [file] = outcome.folder.glob('*/vis_data/events.out.tfevents.*')
    from tensorboard.backend.event_processing import event_accumulator

    events = event_accumulator.EventAccumulator(str(file.parent)).Reload()
    assert len(events.Scalars('loss')) == 2
    [result] = events.Scalars('result/mIoU')
    assert result.value == pytest.approx(outcome.record['metrics']['mIoU'])
