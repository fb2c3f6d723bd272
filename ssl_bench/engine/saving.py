"""When checkpoints are written, and which of them stay."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, Runner

from ssl_bench.engine.stopping import SIGNALS, Agreement, end_after_saving
from ssl_bench.files import write_text
from ssl_bench.run_folder import NUMBERED, fault_of, numbered_checkpoints

Batch = Sequence[dict] | None
BETWEEN = 2  # how many stay of those that no interval asks for


@HOOKS.register_module(name='CheckpointHook', force=True)
class SavingHook(CheckpointHook):
    """mmengine's, which also saves by the clock and when a signal comes.

    Such a checkpoint has the name of its iteration, in runs that count
    epochs too, and a run goes on from it exactly. It replaces mmengine's in
    every config.

    Args:
        interval (int): Epochs or iterations between checkpoints; -1 for the
            last one alone.
        by_epoch (bool): What ``interval`` counts.
        minutes (float): The longest time without a checkpoint; 0 for any.
        max_keep_ckpts (int): How many of the last ones stay; -1 for all that
            ``interval`` asks for and the last two of the others. Older ones
            are removed when a newer one is there and whole.
        **kwargs: As mmengine's.
    """

    def __init__(
        self,
        interval: int = -1,
        by_epoch: bool = True,
        minutes: float = 30.0,
        max_keep_ckpts: int = 2,
        **kwargs: Any,
    ) -> None:
        # mmengine's removes the old one before the new one is written
        super().__init__(interval, by_epoch, max_keep_ckpts=-1, **kwargs)
        self.minutes, self.keep = minutes, max_keep_ckpts
        self.agreement: Agreement | None = None  # while a run trains
        self.asked = 0  # the signal that ends the run after this epoch
        self.saved_at = 0.0
        self.saved_iter = -1

    def before_train(self, runner: Runner) -> None:
        """Start the clock; repeat a validation that was cut off."""
        super().before_train(runner)
        self.agreement = Agreement()
        self.saved_at, self.saved_iter = time.monotonic(), runner.iter
        SIGNALS.wait()
        if _validation_is_next(runner):
            runner.val_loop.run()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Save where it is time, all processes at the same iteration."""
        assert self.agreement is not None
        last = self.is_last_train_iter(runner)
        signal, late = self.agreement.read(self._word())
        if not last and not signal:
            own, late_now = self._word()
            self.agreement.send((own, late_now and not late))
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        if last or not (signal or late):
            return
        if self._epoch_saves(runner, batch_idx):
            self.asked = signal
            return
        if self.saved_iter != runner.iter + 1:
            self._save_iteration(runner, runner.iter + 1)
        self._end(runner, signal)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save as mmengine does; then end if a signal has come."""
        super().after_train_epoch(runner)
        self._end(runner, self.asked)

    def before_val(self, runner: Runner) -> None:
        """Save before a validation within training: it is not cut in two."""
        if self.agreement is None:
            return
        if self.saved_iter != runner.iter:
            self._save_iteration(runner, runner.iter)
        self._end(runner, self.agreement.ask(SIGNALS.number))
        SIGNALS.end_at_once()

    def after_val(self, runner: Runner) -> None:
        """Training goes on."""
        if self.agreement is not None:
            SIGNALS.wait()

    def after_train(self, runner: Runner) -> None:
        """As mmengine's; signals end the run at once again."""
        self.agreement = None
        SIGNALS.end_at_once()
        super().after_train(runner)

    def _word(self) -> tuple[int, int]:
        """The signal that this process has, and whether it is time to save.

        The first process has the clock.
        """
        waited = time.monotonic() - self.saved_at
        late = 0 < self.minutes * 60 <= waited and is_main_process()
        return SIGNALS.number, int(late)

    def _epoch_saves(self, runner: Runner, batch_idx: int) -> bool:
        """Whether this iteration ends an epoch that is saved anyway."""
        return (
            self.by_epoch
            and isinstance(runner.train_loop, EpochBasedTrainLoop)
            and self.end_of_epoch(runner.train_dataloader, batch_idx)
            and self.every_n_epochs(runner, self.interval, self.save_begin)
        )

    def _end(self, runner: Runner, signal: int) -> None:
        """End the run after a signal.

        Raises:
            Interrupted, KeyboardInterrupt: As `end_after_saving`.
        """
        if signal:
            assert self.agreement is not None
            self.agreement.meet()  # the first process is still writing
            again = getattr(runner, 'go_on', 'The same command')
            end_after_saving(signal, str(self.last_ckpt), again)

    def _save_iteration(self, runner: Runner, done: int) -> None:
        """Save between the checkpoints of ``interval``."""
        runner.logger.info(f'Saving checkpoint at {done} iterations')
        meta = dict(epoch=runner.epoch, iter=done)
        self._write(runner, f'iter_{done}.pth', meta)

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        self._write(runner, self.filename_tmpl.format(step), meta)

    def _write(self, runner: Runner, name: str, meta: dict) -> None:
        """Save in all processes; then remove what is old."""
        runner.call_hook('before_checkpoint')
        path = Path(self.out_dir) / name
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self.saved_at, self.saved_iter = time.monotonic(), meta['iter']
        if is_main_process():
            write_text(
                Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt
            )
            self._remove_old(runner, path)

    def _remove_old(self, runner: Runner, newest: Path) -> None:
        """Remove checkpoints that are not needed if the newest is whole.

        None of a later iteration: those are not of this run.
        """
        found = sorted(
            (done, path == newest, path)
            for path in numbered_checkpoints(newest.parent)
            if (done := _iteration(runner, path)) <= self.saved_iter
        )
        paths = [
            path
            for done, _, path in found
            if self.keep > 0 or not self._asked_for(runner, path, done)
        ]
        old = paths[: -(self.keep if self.keep > 0 else BETWEEN)]
        fault = fault_of(newest) if old else ''
        if fault:
            runner.logger.warning(
                f'{newest} is damaged: {fault}. Older checkpoints stay.'
            )
            return
        for path in old:
            path.unlink(missing_ok=True)

    def _asked_for(self, runner: Runner, path: Path, done: int) -> bool:
        """Whether ``interval`` asks for a checkpoint."""
        if self.by_epoch:
            return path.name.startswith('epoch')
        return done == runner.max_iters or (
            self.interval > 0 and done % self.interval == 0
        )


def _iteration(runner: Runner, path: Path) -> int:
    """The iteration of a checkpoint, by its name."""
    match = NUMBERED.fullmatch(path.name)
    assert match is not None  # of `numbered_checkpoints`
    if match[1] == 'iter':
        return int(match[2])
    counts_epochs = isinstance(runner.train_loop, EpochBasedTrainLoop)
    # a run that counts iterations has one epoch
    steps = len(runner.train_dataloader) if counts_epochs else runner.max_iters
    return int(match[2]) * steps


def _validation_is_next(runner: Runner) -> bool:
    """Whether a run that goes on has to validate before it trains."""
    loop: Any = runner.train_loop
    if runner.val_loop is None:
        return False
    loop._decide_current_val_interval()
    if isinstance(loop, EpochBasedTrainLoop):
        done, end = loop.epoch, loop.max_epochs
        if loop.iter != done * len(loop.dataloader):
            return False
    else:
        done, end = loop.iter, loop.max_iters
    return done >= loop.val_begin and (
        done % loop.val_interval == 0 or done == end
    )
