"""The neck of VISSL's linear probes, against plain torch."""

import pytest
import torch
from torch import nn

from ssl_bench.toolbox.pool_neck import NormedPoolNeck
from tests.processes import run_in_processes


def vissl(channels, affine=True):
    """Pooling of the trunk, then the head's norm: `eval_mlp` without its
    linear layer, as the released classes do it one after the other.
    """
    return nn.Sequential(
        nn.AvgPool2d((6, 6), 1, 0),
        nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1, affine=affine),
        nn.Flatten(1),
    ).double()


@pytest.mark.parametrize('affine', [True, False])
def test_channels_are_normalised_over_batch_and_cells(affine):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 5, 7, 7, generator=generator).double()
    maps *= torch.arange(1, 50).view(7, 7)  # cells differ
    want, neck = vissl(5, affine), NormedPoolNeck(5, affine=affine).double()
    if affine:
        scale = torch.rand(5, generator=generator).double()
        for norm in (want[1], neck.norm):
            norm.weight.data.copy_(scale)
            norm.bias.data.copy_(scale - 1)
    for _ in range(2):
        found = neck((maps,))[0]
        torch.testing.assert_close(found, want(maps), rtol=0, atol=1e-12)
    assert found.shape == (3, 20)
    torch.testing.assert_close(
        neck.eval()((maps,))[0], want.eval()(maps), rtol=0, atol=1e-12
    )


def test_the_whole_map():
    maps = torch.rand(4, 5, 7, 7).double()
    found = NormedPoolNeck(5, window=None).double()((maps,))[0]
    want = nn.BatchNorm1d(5).double()(maps.mean((2, 3)))
    torch.testing.assert_close(found, want, rtol=0, atol=1e-12)


def half(rank):
    maps = torch.rand(4, 5, 7, 7, generator=torch.Generator().manual_seed(0))
    neck = NormedPoolNeck(5).double()
    return neck((maps.double()[2 * rank : 2 * rank + 2],))[0].detach()


@pytest.mark.slow
def test_two_processes_normalise_the_joined_batch():
    maps = torch.rand(4, 5, 7, 7, generator=torch.Generator().manual_seed(0))
    joined = torch.cat(run_in_processes(half, 2))
    torch.testing.assert_close(
        joined, vissl(5)(maps.double()), rtol=0, atol=1e-12
    )
