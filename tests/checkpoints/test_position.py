"""How programs resize a position table, written out again."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_bench.checkpoints.position import RULES, resize
from ssl_bench.errors import UserError


def table_of(side: int, width: int = 3, first: int = 1) -> torch.Tensor:
    draw = torch.Generator().manual_seed(side)
    return torch.randn(1, first + side * side, width, generator=draw)


def keys_cubic(distance: float) -> float:
    """The bicubic kernel with a = -0.75, which torch uses."""
    x = abs(distance)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def weights_of(old: int, new: int, factor: float) -> np.ndarray:
    """Weights of old rows in new ones, for a scale factor, (new, old)."""
    found = np.zeros((new, old))
    for row in range(new):
        centre = (row + 0.5) / factor - 0.5
        first = math.floor(centre) - 1
        for near in range(first, first + 4):
            inside = min(max(near, 0), old - 1)
            found[row, inside] += keys_cubic(centre - near)
    return found


def resized(table, grid, added: float) -> np.ndarray:
    """A table by the factors (side + added) / old side, (rows, D)."""
    patches = table[0, 1:].double().numpy()
    old = math.isqrt(len(patches))
    rows, columns = (
        weights_of(old, side, (side + added) / old) for side in grid
    )
    image = patches.reshape(old, old, -1)
    return np.einsum('yh,hwd,xw->yxd', rows, image, columns).reshape(
        grid[0] * grid[1], -1
    )


# of 224 pixels and of 448x560, with patches of 14; and of 480, of 16
@pytest.mark.parametrize(
    ('old', 'grid'), [(37, (16, 16)), (37, (32, 40)), (14, (30, 30))]
)
def test_dinos_rule(old, grid):
    """Caron et al. 2021, ``vision_transformer.py``: factors with 0.1."""
    table = table_of(old)
    found = resize(table, grid, 1, 'dino')
    assert torch.equal(found[:, :1], table[:, :1])
    np.testing.assert_allclose(
        found[0, 1:].numpy(), resized(table, grid, 0.1), atol=3e-5
    )
    plain = resize(table, grid, 1, 'transformers')
    np.testing.assert_allclose(
        plain[0, 1:].numpy(), resized(table, grid, 0.0), atol=3e-5
    )
    timms = resize(table, grid, 1, 'timm')
    assert (found - plain).abs().max() > 1e-3
    assert (found - timms).abs().max() > 1e-3


@pytest.mark.parametrize('grid', [(16, 16), (32, 40), (9, 60)])
def test_timms_rule(grid):
    from timm.layers import resample_abs_pos_embed

    table = table_of(37)
    torch.testing.assert_close(
        resize(table, grid, 1, 'timm'),
        resample_abs_pos_embed(table, list(grid), (37, 37), 1),
        atol=0,
        rtol=0,
    )


@pytest.mark.parametrize('rule', [*RULES, 'fixed'])
def test_the_tables_own_size_changes_nothing(rule):
    table = table_of(7)
    assert resize(table, (7, 7), 1, rule) is table
    assert resize(table, 7, 1, rule) is table


def test_tables_that_are_no_square():
    """Of a network whose images were not, and of registers."""
    table = table_of(6, first=0)  # 36 rows
    found = resize(table, (8, 6), 0, 'transformers', old=(4, 9))
    image = table.reshape(1, 4, 9, 3).permute(0, 3, 1, 2)
    expected = F.interpolate(image, (8, 6), mode='bicubic')
    torch.testing.assert_close(
        found, expected.flatten(2).transpose(1, 2), atol=0, rtol=0
    )


@pytest.mark.parametrize('rule', RULES)
def test_gradients_pass_through(rule):
    table = table_of(5).requires_grad_()
    resize(table, (7, 3), 1, rule).sum().backward()
    # bicubic weights of a row add to 1
    assert table.grad[0, 0].tolist() == [1, 1, 1]
    torch.testing.assert_close(
        table.grad[0, 1:].sum(), torch.tensor(3.0 * 21), rtol=1e-4, atol=0
    )


def test_half_precision_is_resized_in_single():
    table = table_of(5).half()
    found = resize(table, (7, 3), 1, 'dino')
    assert found.dtype == torch.float16
    assert torch.equal(
        found[:, 1:], resize(table.float(), (7, 3), 1, 'dino').half()[:, 1:]
    )


@pytest.mark.parametrize('rule', ['fixed', 'none'])
def test_no_other_size_is_defined(rule):
    with pytest.raises(UserError, match='of 5x5 patches only.* have 7x3'):
        resize(table_of(5), (7, 3), 1, rule)
