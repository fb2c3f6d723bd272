"""Leave a picture of a pretraining's views in its folder."""

import copy
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.dataset import Compose
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, DefaultScope
from mmengine.runner import Runner

from ssl_bench.data.exact_batches import random_stream
from ssl_bench.engine.distributed import unwrapped
from ssl_bench.errors import UserError, one_line

if TYPE_CHECKING:
    from ssl_bench.data.pretrain_dataset import PretrainDataset

FILE_NAME = 'views.png'
COUNT = 8  # images


@HOOKS.register_module()
class ViewSheetHook(Hook):
    """Draw what the method was shown, when the training is done.

    The first process does it, with the run's images and weights; no random
    number of the run changes. What goes wrong is a warning: the run is done.

    A config's ``view_sheet`` is the number of images; 0 for no sheet.

    Raises:
        UserError: It is another value, before the training.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        """Read the setting."""
        self.count = runner.cfg.get('view_sheet', COUNT)
        if type(self.count) is not int or self.count < 0:
            raise UserError(
                f'view_sheet={self.count!r}: write how many images are drawn '
                'into views.png, or 0 for none.'
            )

    def after_train(self, runner: Runner) -> None:
        """Write the sheet."""
        if not self.count or not is_main_process():
            return
        started = time.monotonic()
        path = Path(runner.work_dir) / FILE_NAME
        try:
            with random_stream(runner.seed):
                self._write(runner, path)
        except Exception as error:
            runner.logger.warning(
                f'no picture of the views: {type(error).__name__}: '
                f'{one_line(error)}'
            )
            return
        seconds = time.monotonic() - started
        runner.logger.info(f'views drawn in {seconds:.1f} s: {path}')

    def _write(self, runner: Runner, path: Path) -> None:
        from ssl_bench.engine import view_sheet

        config = copy.deepcopy(runner.cfg)
        view_sheet.paint_in_worker(config)
        state = None
        if view_sheet.takes_checkpoint(config):
            weights = unwrapped(runner.model).state_dict()
            state = {name: value.cpu() for name, value in weights.items()}
        image, legend = view_sheet.draw_views(
            config,
            painted(runner.train_dataloader.dataset, config),
            self.count,
            state,
        )
        view_sheet.save_sheet(
            image, path, view_sheet.contents_of(config, legend)
        )


def painted(dataset: Any, config: Any) -> 'PretrainDataset':
    """The data set of a run with transforms that change colours.

    Its list of images is not made again, and none of its marks changes.

    Raises:
        TypeError: A data set of another kind.
    """
    # a toolkit, which a process that only reports a mistake does not need
    from ssl_bench.data.pretrain_dataset import PretrainDataset

    if not isinstance(dataset, PretrainDataset):
        raise TypeError(f'a {type(dataset).__name__} is not a PretrainDataset')
    other = copy.copy(dataset)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        other.pipeline = Compose(config.train_dataloader.dataset.pipeline)
    other.unreadable = dataset.unreadable.clone()
    return other
