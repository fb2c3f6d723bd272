"""What a checkpoint must agree with before a run goes on from it."""

import copy
import warnings
from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from ssl_bench.engine.accumulation import batches_per_update
from ssl_bench.errors import UserError

# of a scheduler: where it is, not what it does
MOVES = ('last_step', '_global_step', '_last_value', 'verbose')


def sizes_of(runner: Runner) -> dict[str, Any]:
    """What iterations and images of a run are counted by.

    Returns:
        dict: ``processes``, ``batch`` (images of one process and step),
        ``accumulated`` (steps per update), ``images`` (of the set) and
        ``steps`` (of an epoch, None where a run counts no epochs).
    """
    loader = runner.train_dataloader
    return dict(
        processes=runner.world_size,
        batch=loader.batch_size or loader.batch_sampler.batch_size,
        accumulated=batches_per_update(runner.optim_wrapper),
        images=len(loader.dataset),
        steps=None
        if getattr(loader.batch_sampler, 'endless', False)
        else len(loader),
    )


def check_resume(
    runner: Runner, meta: dict, name: str, over: str, option: bool
) -> None:
    """Compare a checkpoint with the run that is to go on from it.

    A run on another number of processes goes on where a step has as many
    images as before: steps, rates and images then stay what they were.

    Args:
        runner (Runner): With its data and optimizer.
        meta (dict): Of the checkpoint.
        name (str): The file, for messages.
        over (str): How to start over, for messages.
        option (bool): Whether an option can give the run another batch.

    Raises:
        UserError: Another seed, other data, or other batches.
    """
    if meta.get('seed') is not None and meta['seed'] != runner.seed:
        raise UserError(
            f'{name} is of a run with seed {meta["seed"]}, this one has '
            f'{runner.seed}. Name seed {meta["seed"]}, or start over '
            f'({over}).'
        )
    now = sizes_of(runner)
    old = meta.get('sizes')
    if old is None:
        runner.logger.warning(
            f'{name} was written by an older version: the run goes on, but '
            'its numbers are not those of a run without a break.'
        )
        _check_epoch(meta, now['steps'], name, over)
        return
    if old['images'] != now['images']:
        raise UserError(
            f'{name} is of a run on {old["images"]} images, this one has '
            f'{now["images"]}. Give it the same data, or start over ({over}).'
        )
    step = old['processes'] * old['batch']
    if (
        step != now['processes'] * now['batch']
        or old['accumulated'] != now['accumulated']
        or old['steps'] != now['steps']
    ):
        raise UserError(
            f'{name} is of a run with {_words(old)}; this one has '
            f'{_words(now)}, so steps, rates and images would not agree. '
            f'{_remedy(old, now, option)}, or start over '
            f'({over}).'
        )
    if old['processes'] != now['processes']:
        runner.logger.warning(
            f'{name} is of a run with {_words(old)}, this one has '
            f'{_words(now)}: steps, rates and images stay, but what '
            'each process draws by itself is drawn again.'
        )


def _words(sizes: dict[str, Any]) -> str:
    """Sizes of a run in words."""
    count = sizes['processes']
    text = f'{sizes["batch"]} images on '
    text += '1 process' if count == 1 else f'each of {count} processes'
    if sizes['accumulated'] > 1:
        text += f', gradients of {sizes["accumulated"]} steps accumulated'
    return text


def _remedy(old: dict[str, Any], now: dict[str, Any], option: bool) -> str:
    """How the run that is to go on gets the old one's sizes."""
    step = old['processes'] * old['batch']
    count = old['processes']
    text = f'Use {count} process{"es" if count > 1 else ""}'
    if not option:
        return text
    if step % now['processes'] == 0:
        text = f'Set train_dataloader.batch_size={step // now["processes"]}'
    if old['accumulated'] != now['accumulated']:
        text += f' and optim_wrapper.accumulative_counts={old["accumulated"]}'
    return text


def _check_epoch(meta: dict, steps: int | None, name: str, over: str) -> None:
    """The same for checkpoints that do not tell their sizes.

    Raises:
        UserError: The iteration is not one of the epoch.
    """
    epoch, iteration = meta['epoch'], meta['iter']
    if steps and not epoch * steps <= iteration <= (epoch + 1) * steps:
        raise UserError(
            f'{name} is from iteration {iteration} and epoch {epoch}, and an '
            f'epoch of this run has {steps} iterations. Use the batch, the '
            f'data and the processes of that run, or start over ({over}).'
        )


class OwnSchedule:
    """The optimizer's settings of a run, before a checkpoint replaces them.

    mmengine continues with the checkpoint's: a longer run would keep the
    schedule of the shorter one.

    Args:
        runner (Runner): With optimizer and schedulers, not trained yet.
    """

    def __init__(self, runner: Runner) -> None:
        self.usable = isinstance(runner.optim_wrapper, OptimWrapper) and (
            isinstance(runner.param_schedulers, list)
            and not isinstance(runner.optim_wrapper, OptimWrapperDict)
        )
        if not self.usable:
            return
        self.groups = [
            {key: value for key, value in group.items() if key != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]
        self.schedulers = [
            copy.deepcopy(scheduler.state_dict())
            for scheduler in runner.param_schedulers
        ]

    def restore(self, runner: Runner, saved: list[dict] | None) -> bool:
        """Use these settings again if the checkpoint's are others.

        Rates become what they would be had the run had them from its
        beginning: the schedules are stepped up to the iteration.

        Args:
            runner (Runner): Resumed.
            saved (list[dict], optional): The checkpoint's schedulers.

        Returns:
            bool: Whether they were others.
        """
        if not self.usable or saved is None:
            return False
        groups = runner.optim_wrapper.param_groups
        same = [_fixed(s) for s in self.schedulers] == [
            _fixed(s) for s in saved
        ] and all(
            _plain(group[key]) == _plain(value)
            for group, own in zip(groups, self.groups)
            for key, value in own.items()
            if key not in self._scheduled()
        )
        if same:
            return False
        for group, own in zip(groups, self.groups):
            group.update(own)
        for scheduler, own in zip(runner.param_schedulers, self.schedulers):
            scheduler.load_state_dict(copy.deepcopy(own))
        step_to(runner)
        return True

    def _scheduled(self) -> set[str]:
        return {scheduler['param_name'] for scheduler in self.schedulers}


def step_to(runner: Runner) -> None:
    """Step fresh schedules to the iteration and epoch of a runner."""
    counts = batches_per_update(runner.optim_wrapper)
    steps = len(runner.train_dataloader)
    by_epoch = [s for s in runner.param_schedulers if s.by_epoch]
    by_iter = [s for s in runner.param_schedulers if not s.by_epoch]
    with warnings.catch_warnings():
        # that the optimizer has not been stepped
        warnings.simplefilter('ignore', UserWarning)
        for done in range(1, runner.iter + 1):
            if done % counts == 0 or done == runner.max_iters:
                for scheduler in by_iter:
                    scheduler.step()
            if done % steps == 0 and done // steps <= runner.epoch:
                for scheduler in by_epoch:
                    scheduler.step()


def _fixed(scheduler: dict[str, Any]) -> dict[str, Any]:
    """What a scheduler does, from its state."""
    return {
        key: _plain(value)
        for key, value in scheduler.items()
        if key not in MOVES
    }


def _plain(value: Any) -> Any:
    """A value that compares equal after a way through a file."""
    return list(value) if isinstance(value, tuple) else value
