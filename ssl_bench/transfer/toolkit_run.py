"""Train and test a plan by its toolkit's runner."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.registry import MODELS

import ssl_bench.engine.hooks
import ssl_bench.engine.progress
import ssl_bench.engine.saving
import ssl_bench.layers.global_bn
import ssl_bench.toolbox.hooks
import ssl_bench.toolbox.pictures  # noqa: F401  registers, as those above
from ssl_bench.engine.distributed import launcher, unwrapped
from ssl_bench.engine.runner import AtomicRunner, build_errors
from ssl_bench.engine.stopping import SIGNALS
from ssl_bench.engine.tracking import Tracking
from ssl_bench.errors import UserError
from ssl_bench.results.table import trained_text
from ssl_bench.run_folder import from_first, newest_checkpoint
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.check_data import check_classes, check_files
from ssl_bench.toolbox.load_images import SKIPPED, skipped_images
from ssl_bench.transfer.checkpoint_choice import (
    ENDING,
    KEY,
    add_hook,
    best_of,
    test_candidates,
    wants_best,
)
from ssl_bench.transfer.held import count, hold, keep_trained
from ssl_bench.transfer.lora import own_names
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.record import Measured, correct_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.trained import kind_of
from ssl_bench.transfer.weights import (
    hold_positions,
    load_backbone,
    load_classifier,
)


class TransferRunner(AtomicRunner):
    """A runner that loads the backbone where training would start.

    mmengine initialises weights when training starts, after building; so a
    backbone loaded earlier would be overwritten.
    """

    source: Source | None = None
    model: Any  # mmengine's
    start_over = '--no-resume'
    go_on = 'The same command'
    batch_option = False  # it would be another run, in a folder of its own

    def train(self) -> torch.nn.Module:
        """mmengine's; all processes then test what the checkpoint has.

        Batch norms that are not synchronised have other statistics in each
        process, and the checkpoint those of the first.
        """
        model = super().train()
        for buffer in unwrapped(model).buffers():
            dist.broadcast(buffer)
        return model

    def test(self) -> dict:
        """mmengine's, unless a signal has come at the end of training.

        A test is not cut in two: a signal ends it, and the same command
        tests again.
        """
        SIGNALS.end_if_asked()
        with self._several_views():
            return super().test()

    @contextmanager
    def _several_views(self) -> Iterator[None]:
        """Where a test has several views, average their probabilities.

        The config's ``tta_model`` does it, as in the toolkits' own commands.
        """
        plain = self.model
        if 'TestTimeAug' in str(self.cfg.test_dataloader.dataset):
            self.model = MODELS.build(
                dict(self.cfg.tta_model, module=unwrapped(plain))
            )
        try:
            yield
        finally:
            self.model = plain

    def build_model(self, model: Any) -> torch.nn.Module:
        """mmengine's, before any wrapper and optimizer sees the model."""
        model = super().build_model(model)
        hold_positions(model, self.cfg)
        hold(model, kind_of(self.cfg))
        return model

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """mmengine's, without what is not trained, where that is chosen."""
        built = super().build_optim_wrapper(optim_wrapper)
        if built is not optim_wrapper and not kind_of(self.cfg).full:
            keep_trained(built.optimizer)
        return built

    def _init_model_weights(self) -> None:
        model = unwrapped(self.model)
        with own_names(model):
            super()._init_model_weights()
            if self.source is not None and self.source.backbone is not None:
                load_backbone(
                    model,
                    self.source,
                    self.cfg.get('transfer_neck_and_head', False),
                )


def run_toolbox(
    plan: Plan,
    source: Source,
    seed: int,
    folder: Path,
    visualize: int,
    quiet: bool,
    resume: bool,
    tracking: Tracking,
) -> Measured:
    """Train and test a plan of mmdet, mmseg or mmpretrain."""
    config = plan.config
    prepare(plan, source, seed, folder, visualize, quiet, resume)
    with build_errors():
        runner = TransferRunner.from_cfg(config)
        runner.source = source
        for change in plan.changes:
            runner.logger.warning(change)
        check_data(runner, plan)
        if plan.trained is None:
            runner.optim_wrapper = runner.build_optim_wrapper(
                runner.optim_wrapper
            )
    if plan.trained is None:
        tracking.attach(runner)
        runner.train()
    else:
        load_classifier(unwrapped(runner.model), plan.trained)
    best = best_numbers(runner, plan, folder) if wants_best(config) else {}
    found = runner.test()
    skipped = skipped_images(folder)
    if skipped:
        plan.changes.append(
            f'{len(skipped)} training images cannot be used; '
            f'others took their places ({SKIPPED})'
        )
    metrics = read_metrics(plan.task, found)
    if wants_best(config):
        metrics |= choose_best(plan, best, metrics)
    cost = runner.message_hub.get_info('transfer_cost', {})
    seconds = cost.get('seconds')
    loader = (
        runner.train_dataloader
        if config.get('train_cfg')
        else runner.test_dataloader
    )
    return Measured(
        metrics,
        len(loader.dataset),
        seconds,
        cost['images'] / seconds if seconds else None,
        details_of(found),
        cost.get('resumptions'),
        count(unwrapped(runner.model)),
        cost.get('peak_memory'),
    )


def read_metrics(task: str, found: dict[str, float]) -> dict[str, float]:
    """A task's numbers, by our names, of what its evaluator found.

    Raises:
        UserError: It did not report one of them.
    """
    rules = find_task(task).metrics
    missing = sorted({rule.toolkit for rule in rules.values()} - set(found))
    if missing:
        raise UserError(
            f'{task} did not report {missing}; it gave '
            f'{sorted(found)}. {correct_task(task)}'
        )
    metrics = {
        name: float(found[rule.toolkit]) * rule.factor
        for name, rule in rules.items()
    }
    return {
        name: value
        for name, value in metrics.items()
        if value >= rules[name].lowest  # COCO: -1, nothing to measure
    }


def best_numbers(
    runner: TransferRunner, plan: Plan, folder: Path
) -> dict[str, dict[str, float]]:
    """The numbers of every checkpoint but the last, in order.

    Raises:
        UserError: One that the training left is not there.
    """
    return {
        name: read_metrics(plan.task, found)
        for name, found in test_candidates(runner, plan.config, folder)
    }


def choose_best(
    plan: Plan, earlier: dict[str, dict[str, float]], last: dict[str, float]
) -> dict[str, float]:
    """The numbers of the best checkpoint, by names that say so.

    Args:
        plan (Plan): What was chosen is noted.
        earlier (dict): Of `best_numbers`.
        last (dict): Those of the last one.
    """
    by, found = plan.config[KEY].by, {**earlier, 'the last': last}
    chosen = best_of(found, by, find_task(plan.task).metrics[by])
    plan.changes.append(
        f'*{ENDING}: of {chosen.removesuffix(".pth")}, the best of '
        f'{len(found)} checkpoints by {by} on the test set'
    )
    return {f'{name}{ENDING}': value for name, value in found[chosen].items()}


def prepare(
    plan: Plan,
    source: Source,
    seed: int,
    folder: Path,
    visualize: int,
    quiet: bool,
    resume: bool,
) -> None:
    """Put into the config what belongs to this run alone."""
    config = plan.config
    config.work_dir = str(folder)
    config.randomness = dict(seed=seed)
    # mmengine names loggers by the second; two runs must not share one
    config.experiment_name = f'{folder.name}-{time.monotonic_ns()}'
    config.visualizer.name = config.experiment_name
    config.launcher = launcher()
    last = None
    if resume and not plan.trained:
        last = from_first(lambda: newest_checkpoint(folder))
    config.resume = last is not None
    config.load_from = last and str(last)
    hooks = list(config.get('custom_hooks', []))
    hooks.append(dict(type='FiniteLossHook', resumes=False))
    if plan.trained is None:
        hooks += [dict(type='StepSeedHook'), dict(type='CostHook')]
        add_hook(config, hooks)
    if visualize:
        hooks.append(dict(type='PicturesHook', count=visualize))
    if quiet:
        config.console_level = 'ERROR'
        hooks.append(
            dict(type='ProgressHook', title=title(source, plan, seed))
        )
    config.custom_hooks = hooks


def title(source: Source, plan: Plan, seed: int) -> str:
    """What a progress line says is running."""
    name = f'{source.method} {source.variant}'.strip()
    kind = trained_text(str(kind_of(plan.config)))
    return ', '.join(filter(None, (plan.task, name, kind, f'seed {seed}')))


def check_data(runner: TransferRunner, plan: Plan) -> None:
    """Build the data sets and compare their classes with the network's.

    Raises:
        UserError: They do not fit.
    """
    try:
        train = (
            runner.train_loop.dataloader.dataset
            if plan.config.get('train_cfg')
            else None
        )
        test = runner.test_loop.dataloader.dataset
    except AssertionError as error:  # how the toolkits' readers complain
        raise UserError(
            f'the data of {plan.task} are not as expected: {error}'
        ) from error
    model = unwrapped(runner.model)
    plan.changes += check_classes(model, train, test)
    if find_task(plan.task).toolbox != 'mmpretrain':
        head = getattr(model, 'decode_head', None)
        plan.changes += check_files(
            getattr(head, 'num_classes', None), train, test
        )


def details_of(found: dict[str, float]) -> dict[str, float]:
    """Numbers that a record keeps next to its metrics."""
    return {
        name: value
        for name, value in found.items()
        if name.startswith(('error/', 'heads/'))
    }
