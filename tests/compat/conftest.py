"""Arrays of the compiled mmcv 2.3.6 operators (CPU build, float32)."""

from pathlib import Path

import numpy as np
import pytest
import torch

import ssl_bench  # noqa: F401  makes mmcv._ext importable

PACK = Path(__file__).parents[1] / 'data' / 'mmcv_ops.npz'


@pytest.fixture(scope='session')
def golden():
    """Every array of the pack as a tensor, by name."""
    with np.load(PACK) as pack:
        return {name: torch.from_numpy(pack[name]) for name in pack.files}
