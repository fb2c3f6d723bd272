"""Batches whose random numbers depend on seed, epoch and place alone.

A loader of these batches can start at any batch: what comes before is counted
and not read. Its samples are the same for any number of workers, and, as far
as the sampler deals out one list, of processes.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Dataset, Sampler, get_worker_info

from ssl_bench.errors import UserError


@contextmanager
def random_stream(*key: int) -> Iterator[None]:
    """Give python, numpy and torch a random state that depends on ``key``.

    The states from before come back afterwards, so that loading data in the
    main process leaves the model's draws alone. A loader's worker draws
    nothing else, and reading and writing them takes five times as long as
    the rest: there they stay.
    """
    with _states_kept():
        _seed(*key)
        yield


def _seed(*key: int) -> None:
    """Start python's, numpy's and torch's random numbers at ``key``."""
    words = np.random.SeedSequence(key).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    # torch.manual_seed would also queue a call for every accelerator
    torch.default_generator.manual_seed(int(words[2]))


@contextmanager
def _states_kept() -> Iterator[None]:
    """Give the main process its random states back; see `random_stream`."""
    if get_worker_info():
        yield
        return
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


class Draw(int):
    """An index into a data set, and where in the run it was drawn.

    Attributes:
        epoch (int): Pass over the data set; 0 for an endless sampler.
        place (int): Position in that pass, over all processes.
    """

    epoch: int
    place: int

    @classmethod
    def at(cls, index: int, epoch: int, place: int) -> 'Draw':
        """An index with its place."""
        draw = cls(index)
        draw.epoch, draw.place = epoch, place
        return draw


class Draws(Sampler[int]):
    """A sampler whose indices are `Draw`.

    Args:
        sampler (Sampler): Deals out this process's share: its indices number
            0, 1, ... are number ``rank``, ``rank + processes``, ... of all.
            Where it has a method ``skip``, as `StreamSampler` and mmengine's
            `InfiniteSampler`, that leaves out the first of its indices.

    Attributes:
        skipped (int): Indices that the next iteration leaves out.
    """

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler
        self.epoch = 0
        self.skipped = 0
        self.rank, self.processes = get_dist_info()

    @property
    def dataset(self) -> Any:
        """The sampler's, which batch samplers ask for image sizes."""
        return self.sampler.dataset

    def __iter__(self) -> Iterator[int]:
        first, self.skipped = self.skipped, 0
        if first and hasattr(self.sampler, 'skip'):
            self.sampler.skip(first)
            indices = iter(self.sampler)
        else:
            indices = islice(self.sampler, first, None)
        for number, index in enumerate(indices, first):
            place = number * self.processes + self.rank
            yield Draw.at(index, self.epoch, place)

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Pass the number of the epoch on; it is part of every draw."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)


@DATA_SAMPLERS.register_module()
class ExactBatches(Sampler[list[int]]):
    """Batches of `Draw`, from any batch on.

    Args:
        sampler (Sampler): Of indices.
        batch_size (int): Images per process and step.
        drop_last (bool): Leave out an incomplete batch.
        inner (dict, optional): Config of the batch sampler that makes the
            batches; torch's `BatchSampler` when None.
        endless (bool): Begin the next epoch by itself.

    Raises:
        UserError: An endless iteration finds no batch in an epoch.

    Attributes:
        start (int): Batches that the next iteration leaves out.
    """

    def __init__(
        self,
        sampler: Any,
        batch_size: int,
        drop_last: bool = False,
        inner: dict | None = None,
        endless: bool = False,
    ) -> None:
        self.sampler = Draws(sampler)
        self.batch_size, self.endless, self.start = batch_size, endless, 0
        self.inner = (
            BatchSampler(self.sampler, batch_size, drop_last)
            if inner is None
            else DATA_SAMPLERS.build(
                inner,
                default_args=dict(
                    sampler=self.sampler,
                    batch_size=batch_size,
                    **(dict(drop_last=True) if drop_last else {}),
                ),
            )
        )

    def __iter__(self) -> Iterator[list[int]]:
        epoch, left = self._skip()
        batches = self._all(epoch) if self.endless else iter(self.inner)
        return islice(batches, left, None)

    def _skip(self) -> tuple[int, int]:
        """Leave out what needs not be drawn.

        The batches of torch's `BatchSampler` are counted; one that groups
        images has to see the indices of all.

        Returns:
            The epoch that an endless iteration begins with, and how many
            batches are left to leave out.
        """
        inner, epoch, left = self.inner, 0, self.start
        if type(inner) is not BatchSampler:
            return epoch, left
        if self.endless and not isinstance(
            self.sampler.sampler, InfiniteSampler
        ):
            if not isinstance(self.sampler.sampler, DefaultSampler):
                return epoch, left  # its epochs may be of any length
            if len(inner):
                epoch, left = divmod(left, len(inner))
        self.sampler.skipped = left * self.batch_size
        return epoch, 0

    def _all(self, first: int) -> Iterator[list[int]]:
        for epoch in count(first):
            self.sampler.set_epoch(epoch)
            empty = True
            for batch in self.inner:
                empty = False
                yield batch
            if empty:
                raise UserError(
                    f'{len(self.sampler)} training images for each process '
                    f'give no batch of {self.batch_size}. Make '
                    'train_dataloader.batch_size smaller.'
                )

    def __len__(self) -> int:
        return len(self.inner)


def seed_samples(dataset: Dataset, seed: int) -> None:
    """Draw what a data set's transforms draw by (seed, epoch, place).

    For a loader with `ExactBatches`. A data set with ``own_streams`` does it
    by itself.

    Args:
        dataset (Dataset): Changed in place; it may be read by several
            workers.
        seed (int): Of the run, the same in all processes.
    """
    if not getattr(dataset, 'own_streams', False):
        # torch's loader asks this, where it exists, for a whole batch
        dataset.__getitems__ = partial(  # type: ignore[attr-defined]
            _samples, dataset, seed
        )


def _samples(dataset: Any, seed: int, draws: Sequence[Draw]) -> list:
    samples = []
    with _states_kept():
        for draw in draws:
            _seed(seed, draw.epoch, draw.place)
            samples.append(dataset[int(draw)])
    return samples
