"""The queue: unit columns, wrap, resume, refusals."""

import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.layers import FeatureQueue


def test_columns_start_with_unit_length_and_differ_between_levels():
    queue = FeatureQueue(12, 8, levels=4)
    torch.testing.assert_close(queue.features.norm(dim=1), torch.ones(4, 12))
    assert not torch.equal(queue.features[0], queue.features[1])
    assert FeatureQueue(12, 8).features.shape == (8, 12)
    assert queue.pointer.tolist() == [0]


def test_enqueue_overwrites_the_oldest_and_wraps():
    queue = FeatureQueue(6, 2, levels=2)
    before = queue.features.clone()
    keys = torch.arange(8.0).view(2, 2, 2)  # batch, level, dim
    queue.pointer.fill_(5)
    queue.enqueue(keys)
    assert torch.equal(queue.features[:, :, 5], keys[0])
    assert torch.equal(queue.features[:, :, 0], keys[1])
    assert torch.equal(queue.features[:, :, 1:5], before[:, :, 1:5])
    assert queue.pointer.tolist() == [1]


def test_a_snapshot_stays():
    queue = FeatureQueue(4, 2)
    old = queue.snapshot()
    queue.enqueue(torch.ones(2, 2))
    assert not torch.equal(queue.features, old)


def test_a_state_dict_continues_contents_and_pointer():
    keys = torch.randn(3, 2, 2)
    straight = FeatureQueue(6, 2)
    start = {k: v.clone() for k, v in straight.state_dict().items()}
    first, second = FeatureQueue(6, 2), FeatureQueue(6, 2)
    first.load_state_dict(start)
    for batch in keys:
        straight.enqueue(batch)
    first.enqueue(keys[0])
    second.load_state_dict(first.state_dict())
    second.enqueue(keys[1])
    second.enqueue(keys[2])
    assert torch.equal(second.features, straight.features)
    assert torch.equal(second.pointer, straight.pointer)


def test_a_batch_that_does_not_divide_is_refused_with_both_numbers():
    queue = FeatureQueue(12, 2)
    with pytest.raises(UserError, match='queue of 12 .* batch of 5'):
        queue.check_batch(5)
    with pytest.raises(UserError, match='queue of 12 .* batch of 5'):
        queue.enqueue(torch.ones(5, 2))
    with pytest.raises(UserError, match='queue of 0 .* batch of 5'):
        FeatureQueue(0, 2).check_batch(5)


def test_keys_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r'\(G, 3, 2\), got \(4, 2\)'):
        FeatureQueue(12, 2, levels=3).enqueue(torch.ones(4, 2))
