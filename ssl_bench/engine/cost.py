"""What a pretraining costs, for its checkpoints."""

import time
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssl_bench.engine.resume import sizes_of
from ssl_bench.measuring import device_name, gpu_hours, peak_memory

Batch = Any


class PretrainCostHook(Hook):
    """Write into each checkpoint what its weights have cost so far.

    ``meta['cost']`` has the fields of a record's ``pretrain.cost``, and
    ``images``, those that were seen. A run that goes on from a checkpoint
    adds to what that one says; one that goes on from a checkpoint without a
    cost writes none, since a part is not the whole.
    """

    # reads the memory before the log, which starts its count again
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.before: Mapping[str, Any] | None = {}
        self.started, self.first = 0.0, 0
        self.memory = 0.0  # MiB

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Take up the sums of the part before an interruption."""
        self.before = (checkpoint.get('meta') or {}).get('cost')

    def before_train(self, runner: Runner) -> None:
        """Start the clock."""
        self.started, self.first = time.perf_counter(), runner.iter

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Batch = None,
        outputs: dict | None = None,
    ) -> None:
        """Look at the memory."""
        self.memory = max(self.memory, peak_memory())

    def before_save_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Add up; the first process does this."""
        if self.before is None:
            return
        seconds = time.perf_counter() - self.started
        sizes = sizes_of(runner)
        done = checkpoint['meta']['iter'] - self.first
        images = done * sizes['batch'] * sizes['processes']
        checkpoint['meta']['cost'] = added(
            self.before, seconds, images, self.memory, sizes['processes']
        )


def added(
    before: Mapping[str, Any],
    seconds: float,
    images: int,
    memory: float,
    processes: int,
) -> dict[str, Any]:
    """The cost of all parts of a run.

    Args:
        before (Mapping): Of the parts before this one; empty for none.
        seconds (float): Of this part.
        images (int): Seen in this part.
        memory (float): The most of this part, MiB.
        processes (int): Of this part.
    """
    hours = [
        found
        for found in (before.get('gpu_hours'), gpu_hours(seconds, processes))
        if found is not None
    ]
    seconds += before.get('train_seconds') or 0.0
    images += before.get('images') or 0
    return dict(
        train_seconds=seconds,
        images_per_second=images / seconds if seconds else None,
        peak_memory_mib=max(memory, before.get('peak_memory_mib') or 0.0),
        gpu_hours=sum(hours) if hours else None,
        device=device_name(),
        world_size=processes,
        images=images,
    )
