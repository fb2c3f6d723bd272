"""Samples depend on seed, epoch and place, and a loader starts anywhere."""

from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler, worker_init_fn
from torch.utils.data import DataLoader, Dataset

from ssl_bench.data.exact_batches import Draw, ExactBatches, seed_samples
from ssl_bench.data.pretrain_dataset import StreamSampler
from ssl_bench.errors import UserError


class Noise(Dataset):
    """Index, a random number of numpy and one of torch; image sizes."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        assert type(index) is int
        return torch.tensor(
            [index, np.random.rand(), torch.rand(())], dtype=torch.float64
        )

    def get_data_info(self, index):
        return dict(width=3, height=4 if index % 3 else 2)


def loader_of(kind=InfiniteSampler, workers=0, seed=0, **settings):
    dataset = Noise()
    batches = ExactBatches(
        kind(dataset, shuffle=True, seed=seed), 3, **settings
    )
    seed_samples(dataset, seed)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        # as mmengine's, which is a seed of the worker
        worker_init_fn=lambda i: worker_init_fn(i, workers, 0, seed),
    )


def read(loader, number=None):
    return torch.cat([*islice(loader, number)])


class Stream(StreamSampler):
    """The sampler of pretrainings, with indices that this data set has."""

    def __iter__(self):
        return (index % 10 for index in super().__iter__())


GROUPED = dict(inner=dict(type='mmdet.AspectRatioBatchSampler'))


@pytest.mark.parametrize('inner', [{}, GROUPED])
@pytest.mark.parametrize('kind', [InfiniteSampler, DefaultSampler])
def test_an_endless_loader_starts_anywhere(registered, kind, inner):
    """Over the end of an epoch, too, and with groups begun before."""
    settings = dict(kind=kind, endless=True, **inner)
    whole = read(loader_of(**settings), 12)
    rest = loader_of(**settings)
    rest.batch_sampler.start = 7
    sizes = [len(batch) for batch in islice(loader_of(**settings), 7)]
    assert torch.equal(read(rest, 5), whole[sum(sizes) :])
    if kind is DefaultSampler:
        epochs = whole[:10, 0], whole[10:20, 0]
        assert all(sorted(epoch) == [*range(10)] for epoch in epochs)
        assert not torch.equal(*epochs)


def test_an_epoch_starts_anywhere():
    loader = loader_of(DefaultSampler)
    assert len(loader) == 4
    loader.batch_sampler.sampler.set_epoch(2)
    whole = read(loader)
    loader.batch_sampler.start = 3
    assert torch.equal(read(loader), whole[9:])
    loader.batch_sampler.start = 4
    assert [*loader] == []


@pytest.mark.parametrize(
    'kind, endless',
    [
        (InfiniteSampler, True),
        (DefaultSampler, True),
        (DefaultSampler, False),
        (Stream, True),
        (Stream, False),
    ],
)
def test_what_was_seen_is_neither_read_nor_drawn(monkeypatch, kind, endless):
    """A resumed loader makes as many indices as it hands out."""
    whole = read(loader_of(kind, endless=endless), 4)
    loader = loader_of(kind, endless=endless)
    start = 11 if endless else 3
    loader.batch_sampler.start = start
    read_too, drawn = [], []
    at, get = Draw.at, Noise.__getitem__
    monkeypatch.setattr(
        Draw, 'at', lambda *place: drawn.append(place) or at(*place)
    )
    monkeypatch.setattr(
        Noise,
        '__getitem__',
        lambda self, index: read_too.append(index) or get(self, index),
    )
    rest = read(loader, 1)
    assert len(read_too) == len(drawn) == len(rest)
    if endless:
        whole = read(loader_of(kind, endless=True), start + 1)
    assert torch.equal(rest, whole[-len(rest) :])


def test_a_million_steps_are_passed_over_at_once():
    """Of a schedule without epochs; a draw for each would take minutes."""
    loader = loader_of(Stream, endless=True)
    loader.batch_sampler.start = 4 * 10**9 + 1
    first = next(iter(loader.batch_sampler))
    assert [(draw.epoch, draw.place) for draw in first] == [
        (10**9, place) for place in (3, 4, 5)
    ]


def test_samples_depend_on_seed_epoch_and_place_only():
    whole = read(loader_of(endless=True), 8)
    torch.manual_seed(9)
    assert torch.equal(read(loader_of(endless=True, workers=2), 8), whole)
    assert not torch.equal(read(loader_of(endless=True, seed=1), 8), whole)
    assert len(set(whole[:, 1].tolist())) == len(whole)  # all places differ
    loader = loader_of(DefaultSampler)
    first = read(loader)
    loader.batch_sampler.sampler.set_epoch(1)
    assert not set(first[:, 1].tolist()) & set(read(loader)[:, 1].tolist())


def test_processes_share_the_places(monkeypatch):
    """Two processes read together what one reads."""
    parts = []
    for rank in range(2):
        monkeypatch.setattr(
            'ssl_bench.data.exact_batches.get_dist_info', lambda: (rank, 2)
        )
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda: (rank, 2)
        )
        parts.append(read(loader_of(endless=True), 4))
    monkeypatch.undo()
    joined = torch.stack(parts, 1).flatten(0, 1)
    assert torch.equal(joined, read(loader_of(endless=True), 8))


def test_draws_pass_to_workers():
    import pickle

    draw = pickle.loads(pickle.dumps(Draw.at(5, 1, 7)))
    assert (draw, draw.epoch, draw.place) == (5, 1, 7)


def test_drop_last():
    assert len(loader_of(DefaultSampler, drop_last=True)) == 3


def test_no_batch_is_an_error_and_not_an_endless_search(monkeypatch):
    monkeypatch.setattr(Noise, '__len__', lambda self: 2)
    loader = loader_of(DefaultSampler, drop_last=True, endless=True)
    with pytest.raises(UserError, match='2 training .* no batch of 3. Make'):
        next(iter(loader))
