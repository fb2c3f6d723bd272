"""Collectives: two gloo processes against one process on the joined batch."""

import warnings

import pytest
import torch
from torch import distributed as dist

from ssl_bench.layers import BatchShuffle, gather, mean_over_processes
from ssl_bench.layers.collectives import GATHER, SHARED, gather_with_gradient
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
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        gather(x)
    out['said'] = [str(warning.message) for warning in said]
    torch.manual_seed(rank)  # each process has random numbers of its own
    SHARED.manual_seed(5)
    out['drawn'] = [BatchShuffle(ROWS).permutation for _ in range(2)]

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
        assert out['said'] == []  # of old names in torch
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


def test_every_process_draws_the_same_permutations(ranks):
    SHARED.manual_seed(5)
    state = torch.get_rng_state()
    expected = [
        torch.randperm(WORLD * ROWS, generator=SHARED) for _ in range(2)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    for out in ranks:
        assert all(map(torch.equal, out['drawn'], expected))


def batches(world, count):
    """Global batches (world * count, ...) of many types and layouts."""
    seed = torch.Generator().manual_seed(1)
    images = torch.randn(world * count, 3, 4, 5, generator=seed)
    return dict(
        images=images,
        last=images.contiguous(memory_format=torch.channels_last),
        turned=images.transpose(2, 3),
        strided=images[..., ::2],
        one_channel=images[:, :1],
        scalars=images[:, 0, 0, 0],
        half=images.half(),
        bfloat=images.bfloat16(),
        double=images.double(),
        complex=torch.complex(images, -images),
        bytes=(images * 100).to(torch.uint8),
        short=(images * 100).to(torch.int16),
        long=(images * 100).long(),
        flags=images > 0,
    )


class CountedBytes:
    """What this process sends to others, by the calls of torch."""

    def __init__(self):
        self.sent = 0
        self.calls = {
            name: getattr(torch.distributed, name)
            for name in ('all_to_all_single', GATHER)
        }

    def __enter__(self):
        torch.distributed.all_to_all_single = self.all_to_all
        setattr(torch.distributed, GATHER, self.all_gather)
        torch.distributed.broadcast = None  # nothing else is sent
        torch.distributed.all_reduce = None
        return self

    def __exit__(self, *_):
        for name, call in self.calls.items():
            setattr(torch.distributed, name, call)

    def all_to_all(self, out, x, out_splits, splits):
        others = [n for i, n in enumerate(splits) if i != dist.get_rank()]
        self.sent += sum(others) * x[0].nbytes
        return self.calls['all_to_all_single'](out, x, out_splits, splits)

    def all_gather(self, out, x):
        self.sent += x.nbytes * (dist.get_world_size() - 1)
        return self.calls[GATHER](out, x)


def exchanges(rank, world, count):
    """Shuffle and restore; compare with the way by gathering everything."""
    wrong = []
    for name, joined in batches(world, count).items():
        own = slice(rank * count, (rank + 1) * count)
        shuffle = BatchShuffle(count)
        (moved,) = shuffle.shuffle(joined[own])
        by_gather = gather(joined[own])[shuffle.permutation[own]]
        back, everything = shuffle.restore(moved), shuffle.restore_all(moved)
        same = (
            torch.equal(moved, by_gather)
            and torch.equal(back, joined[own])
            and torch.equal(everything, joined)
            and moved.dtype == joined.dtype
        )
        if name == 'last':
            form = dict(memory_format=torch.channels_last)
            same &= moved.is_contiguous(**form) and back.is_contiguous(**form)
        if not same:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize('world, count', [(2, ROWS), (3, 1), (4, ROWS)])
def test_exchanged_rows_equal_gathered_ones(world, count):
    assert run_in_processes(exchanges, world, world, count) == [[]] * world


def sent(rank, world):
    """Bytes of ten shuffles, their restores, and one gather."""
    counts = []
    rows = torch.zeros(ROWS, 7, 3, dtype=torch.float16)
    for _ in range(10):
        shuffle = BatchShuffle(ROWS)
        others = shuffle.permutation.view(world, ROWS)[rank] // ROWS != rank
        with CountedBytes() as counted:
            (moved,) = shuffle.shuffle(rows)
            once = counted.sent
            shuffle.restore(moved)
            twice = counted.sent
            shuffle.restore_all(moved)
            counts.append((once, twice - once, counted.sent - twice))
        # as many rows come as leave
        assert once == int(others.sum()) * rows[0].nbytes
    return torch.tensor(counts).double()


@pytest.mark.parametrize('world', [2, 4])
def test_bytes_that_are_sent(world):
    """N b (W - 1) / W, and N b (W - 1) where all get all."""
    counts = torch.stack(run_in_processes(sent, world, world))  # (W, 10, 3)
    batch = ROWS * 7 * 3 * 2
    assert (counts[..., 2] == batch * (world - 1)).all()
    mean = counts[..., :2].mean((0, 1)) / (batch * (world - 1) / world)
    assert ((mean - 1).abs() < 0.15).all()


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
