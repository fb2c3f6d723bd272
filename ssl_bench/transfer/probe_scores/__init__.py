"""Scores of frozen features, one file for each kind of probe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ssl_bench.transfer.probe_scores.in_context import check_memory, in_context
from ssl_bench.transfer.probe_scores.keypoints import (
    pck,
    pck_name,
    recall,
    recall_name,
)
from ssl_bench.transfer.probe_scores.linear_layer import linear
from ssl_bench.transfer.probe_scores.neighbours import knn
from ssl_bench.transfer.probe_scores.patch_knn import patch_knn
from ssl_bench.transfer.probe_scores.patch_logistic import patch_logistic
from ssl_bench.transfer.probe_scores.regression import logistic, logistic_sweep
from ssl_bench.transfer.probe_scores.svms import svm

PAIRED = 'paired'  # what a probe of pairs is given of its test set
# arguments of a probe that are no settings
GIVEN = ('train', 'test', PAIRED)


@dataclass(frozen=True)
class Probe:
    """What a config names by ``probe.type``.

    Attributes:
        score (Callable): From the features of the splits, and settings by
            name, to numbers.
        metrics (tuple[str, ...]): Those it reports; a variety adds words
            after an underscore.
        patches (bool): It takes features of patches; the config says which
            ``maps``.
        name (Callable, optional): Of the metric of a share, in place of
            ``metrics``.
    """

    score: Callable[..., dict[str, float]]
    metrics: tuple[str, ...] = ()
    patches: bool = False
    name: Callable[[float], str] | None = None

    def reports(self, settings: Mapping[str, Any]) -> set[str] | None:
        """The metrics with some settings; None where they are faulty."""
        if self.name is None:
            return set(self.metrics)
        share = settings.get('share')
        return {self.name(share)} if isinstance(share, (int, float)) else None


PROBES = dict(
    knn=Probe(knn, ('top1',)),
    svm=Probe(svm, ('mAP',)),
    logistic=Probe(logistic, ('top1',)),
    logistic_sweep=Probe(logistic_sweep, ('top1',)),
    linear=Probe(linear, ('top1',)),
    patch_knn=Probe(patch_knn, ('mIoU', 'aAcc'), patches=True),
    patch_logistic=Probe(patch_logistic, ('mIoU', 'aAcc'), patches=True),
    in_context=Probe(in_context, ('mIoU',), patches=True),
    pck=Probe(pck, patches=True, name=pck_name),
    recall=Probe(recall, patches=True, name=recall_name),
)

__all__ = [
    'GIVEN',
    'PAIRED',
    'PROBES',
    'Probe',
    'check_memory',
    'in_context',
    'knn',
    'linear',
    'logistic',
    'logistic_sweep',
    'patch_knn',
    'patch_logistic',
    'pck',
    'pck_name',
    'recall',
    'recall_name',
    'svm',
]
