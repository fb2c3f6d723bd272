"""Training loops that go on exactly where a checkpoint was written."""

import copy
from collections.abc import Iterator
from typing import Any

from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch.utils.data import DataLoader

from ssl_bench.engine.prefetch import ahead
from ssl_bench.engine.stopping import signals_held


def start_at(dataloader: DataLoader, number: int) -> None:
    """Let a loader with `ExactBatches` leave out the first batches."""
    batches: Any = dataloader.batch_sampler
    batches.start = number


@LOOPS.register_module()
class ExactEpochLoop(EpochBasedTrainLoop):
    """mmengine's, which starts an epoch again that was interrupted.

    This one leaves out the batches that the checkpoint has seen.
    """

    def run_epoch(self) -> None:
        """Train from the first batch of the epoch that is not done."""
        done = self._iter - self._epoch * len(self.dataloader)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        start_at(self.dataloader, done)
        with signals_held():
            batches = iter(self.dataloader)
        if self.runner.prefetch:
            batches = ahead(batches)
        for number, batch in enumerate(batches, done):
            self.run_iter(number, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


class EndlessBatches:
    """The batches of an endless loader, from any batch on.

    Args:
        dataloader (DataLoader): With `ExactBatches` that are endless.
        prefetch (bool): As of `Speed`.
    """

    def __init__(self, dataloader: DataLoader, prefetch: bool) -> None:
        self.dataloader, self.prefetch = dataloader, prefetch
        self.batches: Iterator | None = None

    def __iter__(self) -> 'EndlessBatches':
        return self

    def __next__(self) -> Any:
        # made late: workers start to read at once
        if self.batches is None:
            with signals_held():
                self.batches = iter(self.dataloader)
            if self.prefetch:
                self.batches = ahead(self.batches)
        return next(self.batches)

    def skip_iter(self, number: int) -> None:
        """Leave out the first batches; called before the first is read."""
        start_at(self.dataloader, number)


@LOOPS.register_module()
class ExactIterLoop(IterBasedTrainLoop):
    """mmengine's; a resumed run counts the batches it has seen.

    mmengine reads them again where a batch sampler groups the images, and its
    transforms then draw other numbers.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.dataloader_iterator = EndlessBatches(
            self.dataloader, self.runner.prefetch
        )


EXACT = {
    'EpochBasedTrainLoop': 'ExactEpochLoop',
    'IterBasedTrainLoop': 'ExactIterLoop',
}


def exact_loop(loop: dict, dataloader: dict) -> tuple[dict, dict]:
    """Configs of a loop and its loader, made exact.

    A loop of another type than mmengine's two, and its loader, are left as
    they are.

    Args:
        loop (dict): ``train_cfg``.
        dataloader (dict): ``train_dataloader``.
    """
    loop, dataloader = copy.deepcopy(loop), copy.deepcopy(dataloader)
    if 'type' not in loop:
        by_epoch = loop.pop('by_epoch', True)
        loop['type'] = f'{"Epoch" if by_epoch else "Iter"}BasedTrainLoop'
    name = getattr(loop['type'], '__name__', loop['type']).rpartition('.')[2]
    if name not in EXACT:
        return loop, dataloader
    loop['type'] = f'mmengine.{EXACT[name]}'
    dataloader['batch_sampler'] = dict(
        type='mmengine.ExactBatches',
        inner=dataloader.get('batch_sampler'),
        drop_last=dataloader.pop('drop_last', False),
        endless=EXACT[name] == 'ExactIterLoop',
    )
    return loop, dataloader
