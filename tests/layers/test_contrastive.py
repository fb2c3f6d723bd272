"""InfoNCE against a value by hand, a slow loop, and under autocast."""

import math

import torch
import torch.nn.functional as F

from ssl_bench.layers import info_nce


def test_by_hand():
    query = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    key = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    negatives = torch.tensor([[0.0], [1.0]])  # one column
    losses, accuracy = info_nce(query, key, negatives, 0.5)
    expected = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))]
    torch.testing.assert_close(losses, torch.tensor(expected))
    assert accuracy == 50


def test_equals_a_slow_loop_and_stays_precise_under_autocast():
    torch.manual_seed(0)
    query, key = F.normalize(torch.randn(2, 4, 6), dim=-1)
    negatives = F.normalize(torch.randn(6, 9), dim=0)
    losses, _ = info_nce(query, key, negatives, 0.2)
    for n in range(4):
        own = (query[n] @ key[n] / 0.2).exp()
        others = sum(
            (query[n] @ negatives[:, j] / 0.2).exp() for j in range(9)
        )
        torch.testing.assert_close(losses[n], -(own / (own + others)).log())
    with torch.autocast('cpu', torch.bfloat16):
        half, _ = info_nce(query, key, negatives, 0.2)
    assert torch.equal(half, losses)
