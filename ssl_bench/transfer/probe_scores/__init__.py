"""Scores of frozen features, one file for each kind of probe."""

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

__all__ = [
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
