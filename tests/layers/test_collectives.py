"""Collectives: two gloo processes against one process on the joined batch."""

import pytest
import torch

from ssl_bench.layers import BatchShuffle, gather, mean_over_processes
from ssl_bench.layers.collectives import gather_with_gradient
from tests.processes import run_in_processes

WORLD, ROWS, DIM = 2, 3, 4
PERMUTATION = torch.tensor([4, 0, 5, 2, 1, 3])


def rows():
    return torch.randn(
        WORLD * ROWS,
        DIM,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )


def one_process(rank):
    x = rows()[rank * ROWS : (rank + 1) * ROWS]
    out = dict(gathered=gather(x), mean=mean_over_processes(x))

    given = BatchShuffle(ROWS, permutation=PERMUTATION)
    images, boxes = given.shuffle(x, x[:, :1])
    out.update(
        images=images,
        boxes=boxes,
        back=given.restore(images),
        all_back=given.restore_all(images),
    )
    torch.manual_seed(rank)  # ranks would draw different permutations
    out['drawn'] = BatchShuffle(ROWS).permutation

    leaf = x.clone().requires_grad_()
    joined = gather_with_gradient(leaf)
    (joined * rows() * (rank + 1)).sum().backward()
    out.update(joined=joined.detach(), grad=leaf.grad)
    return out


@pytest.fixture(scope='module')
def ranks():
    return run_in_processes(one_process, WORLD)


def test_gather_is_rank_major(ranks):
    for out in ranks:
        assert torch.equal(out['gathered'], rows())
        torch.testing.assert_close(
            out['mean'], rows().view(WORLD, ROWS, DIM).mean(0)
        )


def test_gather_sums_the_gradients_of_all_processes(ranks):
    for rank, out in enumerate(ranks):
        assert torch.equal(out['joined'], rows())
        mine = slice(rank * ROWS, (rank + 1) * ROWS)
        torch.testing.assert_close(out['grad'], 3 * rows()[mine])
    x = rows()
    assert gather_with_gradient(x) is x


def test_shuffle_moves_every_tensor_alike_and_comes_back(ranks):
    for rank, out in enumerate(ranks):
        mine = slice(rank * ROWS, (rank + 1) * ROWS)
        assert torch.equal(out['images'], rows()[PERMUTATION[mine]])
        assert torch.equal(out['boxes'], out['images'][:, :1])
        assert torch.equal(out['back'], rows()[mine])
        assert torch.equal(out['all_back'], rows())


def test_rank_zero_draws_the_permutation(ranks):
    torch.manual_seed(0)
    expected = torch.randperm(WORLD * ROWS)
    assert all(torch.equal(out['drawn'], expected) for out in ranks)


def test_one_process_without_a_group_moves_and_draws_nothing():
    x = rows()
    state = torch.get_rng_state()
    shuffle = BatchShuffle(len(x))
    assert shuffle.shuffle(x)[0] is x
    assert torch.equal(shuffle.restore(x), x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(gather(x), x)
    assert torch.equal(mean_over_processes(x), x)


def test_permutation_works_on_one_process():
    x = rows()
    shuffle = BatchShuffle(len(x), permutation=PERMUTATION)
    (moved,) = shuffle.shuffle(x)
    assert torch.equal(moved, x[PERMUTATION])
    assert torch.equal(shuffle.restore(moved), x)


def test_permutation_of_another_length_is_refused():
    with pytest.raises(ValueError, match='permutation of 3 rows.*one of 2'):
        BatchShuffle(3, permutation=torch.arange(2))
