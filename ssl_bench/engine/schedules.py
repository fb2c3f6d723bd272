"""Learning-rate schedules of the papers, as formulas of the iteration."""

import math

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import CosineAnnealingLR
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import HOOKS, PARAM_SCHEDULERS
from mmengine.runner import Runner

from ssl_bench.errors import UserError


def warmup_cosine(
    step: int,
    base: float,
    warmup: float,
    total: float,
    start_factor: float = 0.0,
    offset: int = 0,
    hold: int = 1,
    final: float = 0.0,
) -> float:
    """Rate in iteration ``step``, counted from 0.

    Linear from ``start_factor * base`` to ``base`` while ``step + offset <=
    warmup``, then half a cosine from ``base`` to ``final``, constant over
    every ``hold`` iterations.

    Args:
        step (int): Iteration.
        base (float): Highest rate.
        warmup (float): Iterations of the warm-up.
        total (float): Iterations of the run, warm-up included.
        start_factor (float): First rate as a fraction of ``base``.
        offset (int): With 1, the warm-up's iterations are counted from 1:
            the first rate is above zero and the last is ``base``.
        hold (int): Iterations between two changes after the warm-up.
        final (float): Rate at ``total``.
    """
    if warmup and step + offset <= warmup:
        return base * (
            start_factor + (1 - start_factor) * (step + offset) / warmup
        )
    step = step // hold * hold
    fraction = (step - warmup) / (total - warmup)
    return final + (base - final) * (1 + math.cos(math.pi * fraction)) / 2


@PARAM_SCHEDULERS.register_module()
class LayerCosineLR(CosineAnnealingLR):
    """A cosine whose floor decays with the layers, as its rates do.

    Reference: MAE's fine-tuning (``lr_sched.py``), SiameseIM's too: the whole
        rate, ``eta_min`` included, is multiplied by the layer's factor.
    Deviations: none. mmengine's floor is one for all layers.

    Args:
        *args, **kwargs: As mmengine's ``CosineAnnealingLR``; ``eta_min`` is
            the floor of the parameters with the highest rate.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.eta_min is not None:
            self.eta_min_ratio = self.eta_min / max(self.base_values)


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(_ParamScheduler):
    """Warm-up and cosine as in PixPro, LEWEL and Barlow Twins.

    Reference: PixPro's released schedule (``start_factor=0.01,
        final_factor=2.5e-7``), LEWEL's (``offset=1, hold='epoch'``) and
        Barlow Twins' (``final_factor=0.001``).
    Deviations: none. mmengine's ``LinearLR`` followed by
        ``CosineAnnealingLR`` reaches the full rate one iteration earlier
        than PixPro and Barlow Twins, and cannot hold the rate over an epoch
        while the warm-up moves at every iteration.

    Lengths are epochs, and the scheduler steps at every iteration: configs
    set ``convert_to_iter_based=True``. A rate depends on the iteration's
    number alone, so a resumed run continues it exactly.

    Args:
        optimizer (Optimizer | OptimWrapper): What is scheduled.
        warmup (float): Length of the warm-up.
        end (float): Length of the run, by default that of the training.
        start_factor (float): See `warmup_cosine`.
        offset (int): See `warmup_cosine`.
        hold (int | str): Iterations between two changes after the warm-up;
            ``'epoch'`` for the length of an epoch.
        final_factor (float): Rate at the end as a fraction of the highest,
            so that it moves with a rate scaled to the batch.
        begin, last_step, by_epoch, verbose: As in mmengine's schedulers.

    Raises:
        ValueError: The warm-up is not shorter than the run, the start is not
            0, or the scheduler steps by epoch.
    """

    def __init__(
        self,
        optimizer,
        warmup: float,
        end: float,
        start_factor: float = 0.0,
        offset: int = 0,
        hold: int = 1,
        final_factor: float = 0.0,
        begin: int = 0,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if by_epoch or begin != 0:
            raise ValueError(
                'WarmupCosineLR changes the rate at every iteration from 0; '
                f'got by_epoch={by_epoch}, begin={begin}. Set '
                'convert_to_iter_based=True and no begin.'
            )
        if warmup >= end:
            raise ValueError(
                f'WarmupCosineLR: a warm-up of {warmup} iterations does not '
                f'fit a run of {end}. Shorten `warmup` or train longer.'
            )
        self.warmup, self.total = warmup, end
        self.start_factor = start_factor
        self.offset, self.hold = offset, hold
        self.final_factor = final_factor
        super().__init__(
            optimizer,
            'lr',
            begin=0,
            last_step=last_step,
            by_epoch=False,
            verbose=verbose,
        )

    @classmethod
    def build_iter_from_epoch(
        cls,
        optimizer,
        warmup: float,
        end: float,
        epoch_length: int,
        by_epoch: bool = True,
        hold=1,
        **kwargs,
    ) -> 'WarmupCosineLR':
        """Build from lengths in epochs of ``epoch_length`` iterations."""
        if not by_epoch:
            raise ValueError(
                'WarmupCosineLR with convert_to_iter_based=True '
                'takes epochs; got by_epoch=False.'
            )
        return cls(
            optimizer,
            warmup=warmup * epoch_length,
            end=end * epoch_length,
            hold=epoch_length if hold == 'epoch' else hold,
            by_epoch=False,
            **kwargs,
        )

    def _get_value(self) -> list[float]:
        """Rates of the parameter groups in this iteration."""
        return [
            warmup_cosine(
                self.last_step,
                base,
                self.warmup,
                self.total,
                final=self.final_factor * base,
                start_factor=self.start_factor,
                offset=self.offset,
                hold=self.hold,
            )
            for base in self.base_values
        ]


@HOOKS.register_module()
class FixedRateHook(Hook):
    """Keep the rate of the parameter groups with ``fix_lr=True`` constant.

    It is the rate that the group has before the first step, also after
    ``--auto-scale-lr``. mmpretrain's ``SimSiamHook`` writes a number of its
    own there, which scaling does not reach.

    Reference: SimSiam's released ``--fix-pred-lr``.
    """

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch=None
    ) -> None:
        """Undo what the schedule did to these groups."""
        for group in runner.optim_wrapper.optimizer.param_groups:
            if group.get('fix_lr'):
                group['lr'] = group.get('initial_lr', group['lr'])


def refuse_absolute_rates(config: Config) -> None:
    """Refuse rates that ``--auto-scale-lr`` would leave as they are.

    mmengine scales the rates of the optimizer's groups. A scheduler's
    ``eta_min`` and a hook's ``lr`` are numbers of their own.

    Args:
        config (Config): Of the run.

    Raises:
        UserError: The first such rate, its place, and what to write.
    """
    if not config.get('auto_scale_lr', {}).get('enable'):
        return
    schedulers = config.get('param_scheduler') or []
    if isinstance(schedulers, dict):
        schedulers = [schedulers]
    for place, entries, keys, remedy in (
        (
            'param_scheduler',
            [entry for entry in schedulers if entry['type'].endswith('LR')],
            ('eta_min', 'eta_max', 'end_lr'),
            'Give it as a part of the rate (eta_min_ratio)',
        ),
        (
            'custom_hooks',
            config.get('custom_hooks') or [],
            ('lr',),
            'Use FixedRateHook with fix_lr=True in paramwise_cfg',
        ),
    ):
        for entry in entries:
            for key in keys:
                if entry.get(key):
                    raise UserError(
                        f'--auto-scale-lr does not reach {place}.'
                        f'{entry["type"]}.{key}={entry[key]:g}, an absolute '
                        f'rate. {remedy}, or train with the batch of the '
                        'config.'
                    )
