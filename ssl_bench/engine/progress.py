"""The progress of a training run."""

from collections.abc import Sequence

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from ssl_bench.progress import ProgressLine

__all__ = ['ProgressHook', 'ProgressLine']


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show a `ProgressLine` for the training loop, on the main process.

    Args:
        title (str): What is running.
    """

    priority = 'LOW'

    def __init__(self, title: str) -> None:
        self.title = title
        self.line: ProgressLine | None = None

    def before_train(self, runner: Runner) -> None:
        """Start the line; a resumed run has done some steps."""
        if is_main_process():
            self.line = ProgressLine(self.title, runner.max_iters, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Sequence[dict] | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Show the step."""
        if self.line:
            self.line.update(runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Finish the line with the mean loss of the last iterations."""
        if self.line:
            loss = runner.message_hub.get_scalar('train/loss')
            self.line.close(f'loss {loss.mean(10):.3f},')

    def stop(self) -> None:
        """Take the bar off the terminal, where an error follows."""
        if self.line:
            self.line.stop()
