"""Which checkpoint a number is of: the last, or also the best on the test.

A config says it: ``checkpoint_choice=dict(best, by, every)``. The numbers of
a task are those of its last checkpoint. With ``best=True`` those of the best
one on the test set come too, under names of their own (``mIoU_best``): some
official programs print only these. For a frozen backbone alone: what is kept
for it is the rest of the network.

While the network trains, its trained part is saved ``every`` so many
iterations, or epochs where the loop counts these. After the training every
one of them is tested. So an interrupted run goes on as any other.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from ssl_bench.checkpoints.reading import read_object
from ssl_bench.engine.distributed import unwrapped
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.files import atomic_path
from ssl_bench.tasks.facts import Metric
from ssl_bench.tasks.table import find_task

KEY = 'checkpoint_choice'
FIELDS = ('best', 'by', 'every')
FOLDER = 'candidates'  # in the run's folder
FROZEN = 'backbone.'  # names of what is the same in all of them
ENDING = '_best'  # of the names of the numbers


def check_choice(config: Config, task: str) -> None:
    """Check what a config says about the choice, if it says anything.

    Args:
        config (Config): Of a task.
        task (str): Its id.

    Raises:
        UserError: A field is missing, unknown or faulty.
    """
    choice = config.get(KEY)
    if choice is None:
        return
    for name in choice:
        if name not in FIELDS:
            raise unknown_name(f'key of {KEY}', name, FIELDS)
    missing = [name for name in FIELDS if name not in choice]
    if missing:
        raise UserError(f'{KEY} must say {missing[0]}.')
    if type(choice.best) is not bool:
        raise UserError(
            f'{KEY}.best must be True or False, not {choice.best!r}.'
        )
    metrics = find_task(task).metrics
    if choice.by not in metrics:
        raise unknown_name(f'{KEY}.by', str(choice.by), metrics)
    if type(choice.every) is not int or choice.every < 1:
        raise UserError(
            f'{KEY}.every must be 1 or more, a whole number, not '
            f'{choice.every!r}.'
        )


def wants_best(config: Config) -> bool:
    """Whether a config asks for the best checkpoint's numbers too."""
    return bool((config.get(KEY) or {}).get('best'))


def candidates(config: Config) -> list[str]:
    """Names of the files that a training leaves, without the last step."""
    loop, every = config.train_cfg, config[KEY].every
    unit = 'iter' if 'max_iters' in loop else 'epoch'
    most = loop[f'max_{unit}s']
    return [f'{unit}_{step}.pth' for step in range(every, most, every)]


def trained_part(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all tensors of a network but its backbone's."""
    return {
        name: value.detach().cpu().clone()
        for name, value in unwrapped(model).state_dict().items()
        if not name.startswith(FROZEN)
    }


def put_back(model: nn.Module, state: Mapping[str, Tensor], what: Any) -> None:
    """Fill all of a network but its backbone.

    Args:
        model (nn.Module): Perhaps in a wrapper.
        state (Mapping): Of `trained_part`.
        what: Where it is from, for a message.

    Raises:
        UserError: It is of another network.
    """
    try:
        found = unwrapped(model).load_state_dict(state, strict=False)
    except RuntimeError as error:  # other shapes
        raise UserError(f'{what} is of another network.') from error
    if found.unexpected_keys or any(
        not name.startswith(FROZEN) for name in found.missing_keys
    ):
        raise UserError(f'{what} is of another network.')


@HOOKS.register_module()
class CandidatesHook(Hook):
    """Save the trained part of a network in the course of training.

    Args:
        every (int): Iterations or epochs.
        by_epoch (bool): Which of them.
    """

    def __init__(self, every: int, by_epoch: bool) -> None:
        self.every, self.by_epoch = every, by_epoch

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Save after the iterations that count."""
        if not self.by_epoch:
            self._save(runner, 'iter', runner.iter + 1, runner.max_iters)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save after the epochs that count."""
        if self.by_epoch:
            self._save(runner, 'epoch', runner.epoch + 1, runner.max_epochs)

    def _save(self, runner: Runner, unit: str, done: int, most: int) -> None:
        if done % self.every or done >= most or not dist.is_main_process():
            return
        path = Path(runner.work_dir) / FOLDER / f'{unit}_{done}.pth'
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path) as part:
            torch.save(dict(state_dict=trained_part(runner.model)), part)


def add_hook(config: Config, hooks: list[dict[str, Any]]) -> None:
    """Add what saves the candidates, if the config asks for the best."""
    if wants_best(config):
        hooks.append(
            dict(
                type='mmengine.CandidatesHook',
                every=config[KEY].every,
                by_epoch='max_iters' not in config.train_cfg,
            )
        )


def forget_candidates(folder: Path) -> None:
    """Remove the candidates of an earlier training."""
    for path in (folder / FOLDER).glob('*.pth'):
        path.unlink(missing_ok=True)


def test_candidates(
    runner: Runner, config: Config, folder: Path
) -> Iterator[tuple[str, dict[str, float]]]:
    """Test every candidate, and leave the network as it was.

    Args:
        runner (Runner): Of the run, after its training.
        config (Config): Of the run.
        folder (Path): Of the run.

    Yields:
        tuple: The file's name, and what the evaluator found.

    Raises:
        UserError: One is not there; said before any is tested.
    """
    names = candidates(config)
    for name in names:
        if not (folder / FOLDER / name).is_file():
            raise UserError(
                f'{folder / FOLDER / name} is not there, which '
                f'{KEY}.best=True needs. Train again: the same command with '
                '--no-resume.'
            )
    last = trained_part(runner.model)
    try:
        for name in names:
            path = folder / FOLDER / name
            put_back(runner.model, read_object(path)['state_dict'], path)
            yield name, runner.test()
    finally:
        put_back(runner.model, last, 'the last checkpoint')


def best_of(
    found: Mapping[str, Mapping[str, float]], by: str, rule: Metric
) -> str:
    """The first of the best ones.

    Args:
        found (Mapping): Numbers of each candidate, in the order of training.
        by (str): The number that decides.
        rule (Metric): Of it; says which of two is better.
    """
    sign = 1 if rule.higher_is_better else -1
    return max(found, key=lambda name: sign * found[name][by])
