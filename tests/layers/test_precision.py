"""Half precision becomes float32; other types stay as they are."""

import pytest
import torch

from ssl_bench.layers.precision import unit, upcast


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16])
def test_half_precision_becomes_float32(half):
    x = torch.tensor([1.5, -2.0], dtype=half)
    assert upcast(x).dtype == torch.float32
    assert upcast(x).tolist() == [1.5, -2.0]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_full_precision_is_not_copied(dtype):
    x = torch.zeros(2, dtype=dtype)
    assert upcast(x) is x


def test_unit_vectors_along_an_axis():
    x = torch.tensor([[3.0, 0.0], [4.0, 0.0]], dtype=torch.bfloat16)
    expected = torch.tensor([[0.6, 0.0], [0.8, 0.0]])
    torch.testing.assert_close(unit(x, dim=0), expected)
    assert unit(x).dtype == torch.float32
    assert unit(x.double()).dtype == torch.float64
