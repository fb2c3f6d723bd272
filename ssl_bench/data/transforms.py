"""Importing this puts every dataset and transform into the registries.

It is not in the package's ``__init__`` because the embedded data is written
without torch.
"""

from ssl_bench.data.pretrain_dataset import PretrainDataset, StreamSampler
from ssl_bench.data.views import MakeViews, PackViews

__all__ = ['MakeViews', 'PackViews', 'PretrainDataset', 'StreamSampler']
