"""Scores of COCO and LVIS in full; mmdet's metrics round to 3 decimals."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mmdet.evaluation import CocoMetric, FasterCocoMetric
from mmdet.evaluation.metrics import coco_metric, faster_coco_metric
from mmdet.registry import METRICS

# places in COCOeval's `stats`, as mmdet names them
STATS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')


class Unrounded:
    """Mixed into a metric of mmdet: its scorer's own numbers, fractions.

    Recalls of proposals and scores of single classes stay rounded.

    Attributes:
        module (ModuleType): Where mmdet's metric finds its scorers.
        scorers (tuple[str, ...]): Their classes' names there.
    """

    module: ModuleType = coco_metric
    scorers: tuple[str, ...] = ('COCOeval', 'COCOevalMP')

    def compute_metrics(self, results: list) -> dict[str, float]:
        """mmdet's, and then the digits that it has cut off."""
        with noted(self.module, self.scorers) as made:
            found: dict[str, float] = super().compute_metrics(  # type: ignore
                results
            )
        for scorer in made:
            if getattr(scorer.params, 'useCats', True):  # not proposals
                found.update(
                    (name, value)
                    for name, value in self.values_of(scorer).items()
                    if name in found
                )
        return found

    def values_of(self, scorer: Any) -> dict[str, float]:
        """What a scorer that has run found, by mmdet's names."""
        return {
            f'{scorer.params.iouType}_{name}': float(value)
            for name, value in zip(STATS, scorer.stats)
        }


@contextmanager
def noted(module: ModuleType, names: tuple) -> Iterator[list[Any]]:
    """Collect the instances of a module's classes while it makes them."""
    made: list[Any] = []
    classes = {name: getattr(module, name) for name in names}

    def maker(kind: type) -> Any:
        def make(*args) -> Any:
            made.append(kind(*args))
            return made[-1]

        return make

    try:
        for name, kind in classes.items():
            setattr(module, name, maker(kind))
        yield made
    finally:
        for name, kind in classes.items():
            setattr(module, name, kind)


@METRICS.register_module()
class ExactCocoMetric(Unrounded, CocoMetric):
    """mmdet's COCO metric over pycocotools, not rounded."""


@METRICS.register_module()
class ExactFasterCocoMetric(Unrounded, FasterCocoMetric):
    """mmdet's COCO metric over faster-coco-eval, not rounded."""

    module = faster_coco_metric
    scorers = ('COCOeval_faster',)
