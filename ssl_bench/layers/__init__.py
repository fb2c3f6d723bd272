"""What methods share: momentum encoder, feature queue, collectives."""

from ssl_bench.layers.collectives import (
    BatchShuffle,
    gather,
    mean_over_processes,
)
from ssl_bench.layers.contrastive import info_nce
from ssl_bench.layers.feature_queue import FeatureQueue
from ssl_bench.layers.initialisers import LeCunTruncatedNormal
from ssl_bench.layers.momentum import (
    MomentumEncoder,
    constant_momentum,
    cosine_momentum,
)

__all__ = [
    'BatchShuffle',
    'FeatureQueue',
    'LeCunTruncatedNormal',
    'MomentumEncoder',
    'constant_momentum',
    'cosine_momentum',
    'gather',
    'info_nce',
    'mean_over_processes',
]
