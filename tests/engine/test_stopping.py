"""Signals and the clock: what is saved, and how a run goes on from it."""

import copy
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ssl_bench.engine.pretrain import pretrain
from ssl_bench.engine.stopping import SIGNALS, stoppable
from ssl_bench.errors import Interrupted
from tests.processes import run_in_processes, under_torchrun

WANTED = ('state_dict', 'optimizer', 'param_schedulers')


@HOOKS.register_module()
class SendSignal(Hook):
    """Send this process a signal in an iteration, or at another place."""

    def __init__(self, number, iteration=None, at=None, rank=0):
        self.number, self.iteration = number, iteration
        self.at, self.rank = at, rank

    def _send(self):
        if self.rank == int(os.environ.get('RANK', 0)):
            os.kill(os.getpid(), self.number)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            self._send()

    def before_train(self, runner):
        if self.at == 'before':
            self._send()

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.at == 'val':
            self._send()


def read(path):
    return torch.load(path, weights_only=False)


def assert_equal(wanted, got):
    wanted, got = read(wanted), read(got)
    for key in WANTED:
        assert str(wanted[key]) == str(got[key])
    for name, value in wanted['state_dict'].items():
        assert torch.equal(value, got['state_dict'][name]), name


def stop(config, folder, kind=Interrupted, **where):
    """Run until the signal; the message."""
    config = copy.deepcopy(config)
    where = dict(number=signal.SIGTERM) | where
    config.custom_hooks = [
        *config.get('custom_hooks', []),
        dict(type='SendSignal', **where),
    ]
    with pytest.raises(kind) as caught:
        pretrain(config, folder, resume='auto')
    return str(caught.value)


def names(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


@pytest.fixture
def rich(config):
    """A config with all that a checkpoint must carry.

    Two batches an update, a moving average, schedules of rate and momentum.
    """
    config.optim_wrapper.accumulative_counts = 2
    config.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    config.param_scheduler = [
        dict(type='CosineAnnealingLR', T_max=2),
        dict(type='LinearMomentum', start_factor=0.5, by_epoch=False, end=6),
    ]
    return config


@pytest.mark.parametrize('place', [0, 2, 3])
def test_a_stopped_run_goes_on_exactly(rich, tmp_path, place):
    """In an epoch of three, at its end, and in the next one."""
    straight = pretrain(copy.deepcopy(rich), tmp_path / 'straight')
    folder = tmp_path / 'cut'
    message = stop(rich, folder, iteration=place)
    saved = f'epoch_{1}.pth' if place == 2 else f'iter_{place + 1}.pth'
    assert message == (
        f'stopped by SIGTERM; saved {folder / saved}. The same command with '
        '--resume continues.'
    )
    assert read(folder / saved)['meta']['iter'] == place + 1
    assert_equal(straight, pretrain(rich, folder, resume=True))


@pytest.mark.slow
def test_a_run_that_is_cut_at_every_iteration_advances(config, tmp_path):
    straight = pretrain(copy.deepcopy(config), tmp_path / 'straight')
    for iteration in range(5):
        stop(config, tmp_path / 'cut', iteration=iteration)
    last = pretrain(config, tmp_path / 'cut', resume='auto')
    assert_equal(straight, last)
    assert names(tmp_path / 'cut') == ['epoch_2.pth', 'iter_5.pth']


@pytest.mark.parametrize('number', [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_slurm_and_submitit(config, tmp_path, number):
    message = stop(config, tmp_path, number=number, iteration=1)
    assert message.startswith(f'stopped by {number.name}; saved')
    assert Interrupted.exit_code == 75


def test_ctrl_c_saves_too(config, tmp_path):
    message = stop(
        config, tmp_path, KeyboardInterrupt, number=signal.SIGINT, iteration=1
    )
    assert message.startswith('stopped by Ctrl-C; saved')
    assert names(tmp_path) == ['iter_2.pth']


def test_a_signal_before_training_ends_at_once(config, tmp_path):
    message = stop(config, tmp_path, at='before')
    assert message == (
        'stopped by SIGTERM outside of training: what was trained is saved. '
        'The same command continues.'
    )
    assert names(tmp_path) == []
    pretrain(config, tmp_path, resume='auto')


def test_a_signal_in_the_last_iteration_lets_the_run_end(config, tmp_path):
    config.custom_hooks = [
        dict(type='SendSignal', number=signal.SIGTERM, iteration=5)
    ]
    assert pretrain(config, tmp_path).name == 'epoch_2.pth'


def test_a_second_ctrl_c_ends_at_once(monkeypatch):
    undo = SIGNALS.install()
    try:
        SIGNALS.wait()
        SIGNALS.arrive(signal.SIGTERM)
        SIGNALS.arrive(signal.SIGINT)  # of the same moment
        SIGNALS.arrive(signal.SIGTERM)
        now = time.monotonic() + 3
        monkeypatch.setattr(time, 'monotonic', lambda: now)
        SIGNALS.arrive(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            SIGNALS.arrive(signal.SIGINT)
    finally:
        undo()


@pytest.mark.parametrize(
    'number, kind',
    [(signal.SIGTERM, Interrupted), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_that_a_toolkit_takes_for_an_error(number, kind):
    with pytest.raises(kind):
        with stoppable('It'):
            try:
                SIGNALS.arrive(number)
            except:  # noqa: E722  as in mmengine's `pretty_text`
                raise SyntaxError('failed to format the config') from None
    with pytest.raises(SyntaxError):
        with stoppable('It'):
            raise SyntaxError('of the file')


def test_handlers_are_put_back_and_not_inherited():
    before = signal.getsignal(signal.SIGTERM)
    with stoppable('It'):
        assert signal.getsignal(signal.SIGTERM) == SIGNALS.arrive
        child = os.fork()
        if not child:
            plain = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
            os._exit(0 if plain else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_terminal_lets_a_run_save(config, tmp_path):
    message = stop(config, tmp_path, number=signal.SIGHUP, iteration=1)
    assert message.startswith('stopped by SIGHUP; saved')
    assert names(tmp_path) == ['iter_2.pth']


CLOSED = """
import os, signal, sys, time
from ssl_bench.engine.stopping import SIGNALS
SIGNALS.install()
SIGNALS.wait()
os.kill(os.getppid(), signal.SIGUSR1)
deadline = time.monotonic() + 60
while not SIGNALS.number and time.monotonic() < deadline:
    time.sleep(.01)
print('still here', flush=True)
open(sys.argv[1], 'w').write(str(SIGNALS.number))
os._exit(75)
"""


def test_output_to_a_closed_terminal_is_no_error(tmp_path):
    ready = []
    before = signal.signal(signal.SIGUSR1, lambda *args: ready.append(1))
    pid, terminal = pty.fork()
    if not pid:
        arguments = [sys.executable, '-c', CLOSED, str(tmp_path / 'done')]
        os.execv(sys.executable, arguments)
    deadline = time.monotonic() + 60
    while not ready and time.monotonic() < deadline:
        time.sleep(0.01)
    signal.signal(signal.SIGUSR1, before)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 75
    assert (tmp_path / 'done').read_text() == str(int(signal.SIGHUP))


@HOOKS.register_module()
class SignalWorkers(Hook):
    """Send the loader's workers what a scheduler sends to all."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        import multiprocessing

        workers = multiprocessing.active_children()
        assert workers or batch_idx
        for worker in workers:
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
                # of a process that is not the parent
                subprocess.run(['kill', f'-{int(number)}', str(worker.pid)])


def test_workers_of_a_loader_live_on_and_end_with_the_run(config, tmp_path):
    config.train_dataloader.num_workers = 1
    config.train_cfg.max_epochs = 1
    config.custom_hooks = [dict(type='SignalWorkers')]
    pretrain(config, tmp_path)
    assert names(tmp_path) == ['epoch_1.pth']


def test_a_worker_that_is_stuck_ends_when_its_parent_says_so():
    from torch.utils.data import DataLoader

    from ssl_bench.engine.stopping import guard_workers

    class Stuck(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            time.sleep(60 if index else 0)
            return index

    batches = iter(guard_workers(DataLoader(Stuck(), num_workers=1)))
    next(batches)
    worker = batches._workers[0]
    worker.terminate()
    worker.join(20)
    assert worker.exitcode == 0


@pytest.mark.parametrize(
    ('settings', 'left'),
    [
        (dict(interval=1, max_keep_ckpts=2), ['epoch_2.pth', 'iter_5.pth']),
        (dict(interval=5, max_keep_ckpts=1), ['epoch_2.pth']),
        (
            dict(interval=1, max_keep_ckpts=-1),
            ['epoch_1.pth', 'epoch_2.pth', 'iter_4.pth', 'iter_5.pth'],
        ),
        (
            dict(interval=2, max_keep_ckpts=-1, by_epoch=False),
            [f'iter_{n}.pth' for n in (2, 3, 4, 5, 6)],
        ),
        (
            dict(interval=1, max_keep_ckpts=9),
            ['epoch_1.pth', 'epoch_2.pth']
            + [f'iter_{n}.pth' for n in (1, 2, 4, 5)],
        ),
    ],
)
def test_checkpoints_by_the_clock(config, tmp_path, settings, left):
    """Every iteration is late; an epoch's own checkpoint is the one."""
    config.default_hooks.checkpoint.update(minutes=1e-9, **settings)
    pretrain(config, tmp_path)
    assert names(tmp_path) == left


def test_the_clock_starts_again_with_each_checkpoint(
    config, tmp_path, monkeypatch
):
    """Iterations of 13 minutes, an epoch of 39: at 39, at 78, no others."""
    from ssl_bench.engine import saving

    passed = iter(range(1000))
    now = [0.0]

    class Clock:
        @staticmethod
        def monotonic():
            return now[0]

    @HOOKS.register_module(force=True)
    class Passes(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            now[0] = 60 * 13.0 * next(passed)

    monkeypatch.setattr(saving, 'time', Clock)
    config.custom_hooks = [dict(type='Passes')]
    config.default_hooks.checkpoint.update(interval=9, max_keep_ckpts=9)
    pretrain(copy.deepcopy(config), tmp_path / 'a')
    assert names(tmp_path / 'a') == ['epoch_2.pth', 'iter_4.pth']
    config.default_hooks.checkpoint.minutes = 0
    pretrain(config, tmp_path / 'b')
    assert names(tmp_path / 'b') == ['epoch_2.pth']


def test_older_checkpoints_stay_while_the_newest_is_damaged(
    config, tmp_path, monkeypatch
):
    from ssl_bench.engine import saving

    config.default_hooks.checkpoint.update(
        by_epoch=False, interval=1, max_keep_ckpts=2
    )
    look = saving.fault_of
    monkeypatch.setattr(
        saving,
        'fault_of',
        lambda path: 'cut off' if path.name == 'iter_6.pth' else look(path),
    )
    pretrain(config, tmp_path)
    assert names(tmp_path) == ['iter_4.pth', 'iter_5.pth', 'iter_6.pth']


def two(rank, config, folder):
    """One process gets the signal; both end, and go on together."""
    under_torchrun(rank, 2)
    folder = Path(folder)
    config.train_dataloader.batch_size = 2
    config.default_hooks.checkpoint.update(interval=2)
    straight = pretrain(copy.deepcopy(config), folder / 'straight')
    stop(config, folder / 'cut', iteration=1, rank=1)
    torch.distributed.barrier()
    found = names(folder / 'cut')
    last = pretrain(copy.deepcopy(config), folder / 'cut', resume=True)
    assert_equal(straight, last)
    config.default_hooks.checkpoint.update(minutes=1e-9, max_keep_ckpts=9)
    pretrain(config, folder / 'clock')
    return found, names(folder / 'clock')


@pytest.mark.slow
def test_one_of_two_processes_has_the_signal(config, tmp_path):
    """Both have heard of it an iteration later."""
    for stopped, clock in run_in_processes(two, 2, config, str(tmp_path)):
        assert stopped == ['iter_3.pth']
        # what is late is known after a step; no step is saved twice
        assert clock == ['epoch_2.pth', 'iter_2.pth', 'iter_4.pth']


@pytest.mark.slow  # imports the toolkits twice, in processes of their own
def test_a_signal_to_all_processes_of_a_command(image_folder, tmp_path):
    """The workers of its loader have it too."""
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        *('-m', 'ssl_bench', 'pretrain'),
        str(root / 'configs/mini/mocov2_r18.py'),
        *('--work-dir', str(tmp_path / 'run'), '--resume', 'auto'),
        '--cfg-options',
        f'train_dataloader.dataset.data_root={image_folder}',
        'train_dataloader.batch_size=4',
        'train_dataloader.num_workers=2',
        'train_cfg.max_epochs=9999',
        'default_hooks.logger.interval=1',
        'default_hooks.checkpoint.interval=9999',  # none before the signal
    ]
    with open(tmp_path / 'log', 'w+') as log:
        process = subprocess.Popen(
            command,
            cwd=root,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            end = time.monotonic() + 240
            while 'Epoch(train) ' not in (tmp_path / 'log').read_text():
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGTERM)
            errors = process.communicate(timeout=240)[1]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 75, errors
    (saved,) = (tmp_path / 'run').glob('*.pth')
    assert errors.splitlines()[-1] == (
        f'ssl-bench pretrain: stopped by SIGTERM; saved {saved}. The same '
        'command with --resume continues.'
    )
    assert 'Traceback' not in errors
