"""Position codes: limits that hold whatever the sizes."""

import pytest
import torch

from ssl_bench.methods.siamese_im.sincos import (
    relative_position,
    relative_sincos,
    sincos_code,
    sincos_table,
)

GRID, WIDTH = 5, 16


def views(crops, flips, width=100.0, height=80.0):
    """The six numbers of one pair of views."""
    return relative_position(
        torch.tensor([crops]),
        torch.tensor([flips]),
        torch.tensor([[height, width]]),
    )


def test_code_by_hand():
    code = sincos_code(torch.tensor([2.0], dtype=torch.float64), 2)[0]
    angle = torch.tensor([2.0, 0.02], dtype=torch.float64)
    torch.testing.assert_close(code, torch.cat([angle.sin(), angle.cos()]))


def test_same_view_has_the_fixed_code():
    """The fixed table, then sines 0 and cosines 1."""
    box = [10.0, 20.0, 50.0, 60.0]
    code = relative_sincos(views([box, box], [True, True]), WIDTH, GRID)[0]
    torch.testing.assert_close(code[:, :WIDTH], sincos_table(WIDTH, GRID)[1:])
    quarter = WIDTH // 4
    flat = torch.cat([torch.zeros(quarter), torch.ones(quarter)] * 2)
    torch.testing.assert_close(
        code[:, WIDTH:], flat.double().expand(GRID**2, -1)
    )


@pytest.mark.parametrize('flip1', [False, True])
@pytest.mark.parametrize('flip2', [False, True])
def test_positions_name_the_same_pixel(flip1, flip2):
    """A token's coordinates, followed back, are its place in the source."""
    from ssl_bench.data.geometry import ViewGeometry

    crops = [[10.0, 20.0, 50.0, 60.0], [35.0, 5.0, 95.0, 45.0]]
    side = GRID
    one, two = (
        ViewGeometry(crop=tuple(c), size=(side, side), flip=f)
        for c, f in zip(crops, (flip1, flip2))
    )
    centres = torch.arange(side, dtype=torch.float64) + 0.5
    y, x = torch.meshgrid(centres, centres, indexing='ij')
    points = torch.stack([x, y], -1).view(-1, 2)  # view 2, token units
    in_one = one.to_view(two.to_source(points)) - 0.5
    code = relative_sincos(views(crops, [flip1, flip2]), WIDTH, side)[0]
    half = WIDTH // 2
    torch.testing.assert_close(
        code[:, :half], sincos_code(in_one[:, 1], WIDTH // 4)
    )
    torch.testing.assert_close(
        code[:, half:WIDTH], sincos_code(in_one[:, 0], WIDTH // 4)
    )


def test_width_that_is_no_multiple_of_four_is_refused():
    with pytest.raises(ValueError, match='width 18, remainder 2'):
        sincos_table(18, 3)
