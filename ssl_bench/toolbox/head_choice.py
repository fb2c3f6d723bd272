"""A held-out part of the training images chooses a head for the test."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.dataset import InfiniteSampler
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATA_SAMPLERS, HOOKS
from mmengine.runner import Runner
from mmpretrain.registry import METRICS
from torch.utils.data import Sampler

from ssl_bench.errors import UserError
from ssl_bench.toolbox.probe_heads import HeadKey, ProbeHeads

BEST = 'best'  # of all sources
LOADER = 'held_out_dataloader'


def split(
    count: int, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images that train and images that choose.

    Reference: CAPI, ``eval_classification.py``: the last part of numpy's
        ``default_rng(42)`` permutation chooses.

    Args:
        count (int): Images.
        share (float): That chooses.
        seed (int): Of the draw; not of the run.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices of both.

    Raises:
        UserError: One of them would be empty.
    """
    if type(share) not in (int, float) or not 0 < share < 1:
        raise UserError(
            f'the held-out share must be above 0 and below 1, not {share!r}.'
        )
    order = np.random.default_rng(seed).permutation(count)
    kept = round((1 - share) * count)
    if not 0 < kept < count:
        raise UserError(
            f'{count} training images cannot be split by a held-out share of '
            f'{share:g}; one part would be empty.'
        )
    return order[:kept], order[kept:]


@DATA_SAMPLERS.register_module()
class KeptSampler(InfiniteSampler):
    """mmengine's endless sampler of all images but those held out.

    Args:
        dataset (Dataset): N images.
        share (float): That is held out.
        split_seed (int): Of `split`.
        shuffle (bool): Draw a new order each time.
        seed (int, optional): Of the order; the run's.
    """

    def __init__(
        self,
        dataset: Any,
        share: float,
        split_seed: int,
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        super().__init__(dataset, shuffle, seed)
        self.kept, _ = split(len(dataset), share, split_seed)
        self.size = len(self.kept)

    def _infinite_indices(self) -> Iterator[int]:
        for place in super()._infinite_indices():
            yield int(self.kept[place])


@DATA_SAMPLERS.register_module()
class HeldOutSampler(Sampler):
    """The images held out, dealt to the processes in turn.

    The first are given again at the end, so that all processes have as many.

    Args:
        dataset (Dataset): N images.
        share (float): That is held out.
        split_seed (int): Of `split`.
        seed (int, optional): Unused; mmengine gives one to every sampler.

    Attributes:
        count (int): Images held out.
    """

    def __init__(
        self,
        dataset: Any,
        share: float,
        split_seed: int,
        seed: int | None = None,
    ) -> None:
        _, held = split(len(dataset), share, split_seed)
        rank, world = dist.get_rank(), dist.get_world_size()
        self.count = len(held)
        rows = -(-len(held) // world) * world
        self.indices = np.resize(held, rows)[rank::world].tolist()

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)

    def __len__(self) -> int:
        return len(self.indices)


class HeadScores(BaseMetric):
    """Top-1 and top-5 of each head, from ``head_codes``."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Keep the codes of each image."""
        self.results += [
            sample['head_codes'].numpy() for sample in data_samples
        ]

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Percent of each head, (H,): ``top1``, ``top5``."""
        codes = np.stack(results)  # (N, H)
        return dict(
            top1=100 * (codes == 2).mean(axis=0),
            top5=100 * (codes > 0).mean(axis=0),
        )


@METRICS.register_module()
class HeadAccuracy(HeadScores):
    """Scores of the heads that the held-out images chose.

    Of each source the head with the best top-1 on the held-out images (the
    first of several) is chosen. ``top1`` and ``top5`` are of the headline's;
    ``top1_chosen_on_test`` is the best top-1 on the test images themselves,
    as DINOv2's program reports it. ``heads/<source>/...`` says of each source
    what was chosen and what it gave.

    Args:
        headline (str): A source, or ``best``: the source whose head is best
            on the held-out images.
        **more: What else mmengine's metrics take.

    Attributes:
        keys (list[HeadKey]): Of the heads; `ChooseHeadHook` sets it.
        held_out (np.ndarray): (H,) top-1 on the held-out images; as above.
        held_out_images (int): How many they are; as above.
    """

    keys: list[HeadKey]
    held_out: np.ndarray
    held_out_images: int

    def __init__(self, headline: str, **more: Any) -> None:
        super().__init__(**more)
        self.headline = headline

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """The numbers of the chosen heads."""
        scores = super().compute_metrics(results)
        chosen = choose(self.keys, self.held_out)
        headline = reported_source(self.headline, chosen, self.held_out)
        found: dict[str, float] = {
            'heads/held_out_images': float(self.held_out_images)
        }
        for source, place in chosen.items():
            key, name = self.keys[place], f'heads/{source}'
            of_source = [k.source == source for k in self.keys]
            found.update(
                {
                    f'{name}/rate': float(key.rate),
                    f'{name}/weight_decay': float(key.decay),
                    f'{name}/held_out_top1': float(self.held_out[place]),
                    f'{name}/top1': float(scores['top1'][place]),
                    f'{name}/top5': float(scores['top5'][place]),
                    f'{name}/top1_chosen_on_test': float(
                        scores['top1'][of_source].max()
                    ),
                }
            )
        return found | dict(
            top1=found[f'heads/{headline}/top1'],
            top5=found[f'heads/{headline}/top5'],
            top1_chosen_on_test=max(
                found[f'heads/{source}/top1_chosen_on_test']
                for source in chosen
                if self.headline in (BEST, source)
            ),
        )


def choose(keys: list[HeadKey], scores: np.ndarray) -> dict[str, int]:
    """Place of the best head of each source, the first of several.

    Args:
        keys (list[HeadKey]): Of H heads.
        scores (np.ndarray): (H,).
    """
    chosen: dict[str, int] = {}
    for place, key in enumerate(keys):
        best = chosen.setdefault(key.source, place)
        if scores[place] > scores[best]:
            chosen[key.source] = place
    return chosen


def reported_source(
    headline: str, chosen: dict[str, int], scores: np.ndarray
) -> str:
    """The source whose head is reported.

    Args:
        headline (str): A source, or `BEST`.
        chosen (dict): `choose`.
        scores (np.ndarray): (H,), of the held-out images.
    """
    if headline != BEST:
        return headline
    return max(chosen, key=lambda source: float(scores[chosen[source]]))


def require_finite(heads: ProbeHeads) -> None:
    """Check that there is a head to choose.

    Raises:
        UserError: Every head has diverged.
    """
    if not any(
        all(value.isfinite().all() for value in head.parameters())
        for head in heads.heads
    ):
        raise UserError(
            'every head has diverged; add lower rates to model.head.rates.'
        )


@HOOKS.register_module()
class ChooseHeadHook(Hook):
    """Score all heads on the held-out images, before the test."""

    def before_test_epoch(self, runner: Runner) -> None:
        """Give the test's `HeadAccuracy` what it chooses by.

        Raises:
            UserError: Every head has diverged.
        """
        model: Any = runner.model
        model = model.module if is_model_wrapper(model) else model
        require_finite(model.head)
        loader: Any = runner.build_dataloader(
            runner.cfg[LOADER], seed=runner.seed
        )
        scores = HeadScores()
        runner.model.eval()
        with torch.no_grad():
            for batch in loader:
                samples = runner.model.test_step(batch)
                scores.process(batch, [sample.to_dict() for sample in samples])
        found = scores.evaluate(loader.sampler.count)['top1']
        (metric,) = runner.test_evaluator.metrics
        metric.keys = model.head.keys
        metric.held_out = np.asarray(found)
        metric.held_out_images = loader.sampler.count
        chosen = choose(metric.keys, metric.held_out)
        source = reported_source(metric.headline, chosen, metric.held_out)
        model.reported = chosen[source]
