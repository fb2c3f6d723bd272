from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores import (
    knn,
    linear,
    linear_layer,
    neighbours,
    svm,
)
from ssl_bench.transfer.probe_scores.linear_layer import (
    Standardise,
    fit_linear,
)
from ssl_bench.transfer.probe_scores.neighbours import nearest, votes_of
from ssl_bench.transfer.probe_scores.svms import ranking_ap
from ssl_bench.transfer.probe_settings import check_settings


def blobs(count, seed, noise=0.2):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.eye(3, 8)
    return Features(
        centres[labels] + noise * torch.randn(count, 8, generator=generator),
        labels,
    )


@pytest.mark.parametrize('block', [4, 7, 8192])
def test_votes_equal_a_slow_loop(monkeypatch, block):
    train, test = blobs(30, 0, 2.0), blobs(7, 1, 2.0)
    monkeypatch.setattr(neighbours, 'BLOCK', block)
    queries = torch.nn.functional.normalize(test.features, dim=1).split(4)
    found = nearest(train, list(queries), 5)
    votes = torch.cat([votes_of(*part, 3, 0.07) for part in found])
    assert votes.shape == (7, 3)
    for query, got in zip(test.features, votes):
        cosines = [
            (float(torch.cosine_similarity(query, row, dim=0)), int(label))
            for row, label in zip(train.features, train.labels)
        ]
        want = [0.0] * 3
        for cosine, label in sorted(cosines, reverse=True)[:5]:
            want[label] += np.exp((cosine - max(cosines)[0]) / 0.07)
        np.testing.assert_allclose(got, want, rtol=1e-4)


def test_votes_of_a_small_temperature_are_finite():
    """exp(0.9 / 0.005) is beyond single precision."""
    cosines, labels = torch.tensor([[0.9, 0.895]]), torch.tensor([[1, 0]])
    votes = votes_of(cosines, labels, 2, 0.005)
    wanted = torch.tensor([[np.exp(-1.0), 1.0]], dtype=torch.float32)
    torch.testing.assert_close(votes, wanted, rtol=1e-4, atol=0)


def test_knn_predicts_what_dinov2s_program_does():
    """Its weights are normalised once, over the neighbours of the largest k.

    For one image that divides all votes by one number, so the first class
    stays the first.
    """
    pack = np.load(Path(__file__).parents[1] / 'data' / 'frozen_dense.npz')
    train = Features(
        *(torch.from_numpy(pack[f'knncls/{n}']) for n in ('train', 'labels'))
    )
    queries = torch.from_numpy(pack['knncls/query'])
    every = [5, 10, 20]
    wanted = {k: pack[f'knncls/probas_k{k}'].argmax(axis=1) for k in every}
    other = {k: pack[f'knncls/probas_k{k}'].argmin(axis=1) for k in every}
    for k in every:
        for labels, right in ((wanted[k], 100.0), (other[k], 0.0)):
            test = Features(queries, torch.from_numpy(labels))
            found = knn(train, test, every, headline=k, temperature=0.07)
            assert found['top1'] == found[f'top1_k{k}'] == right


def test_knn_with_few_images_of_a_class():
    """The mean over draws; no k is above the number of images."""
    train, test = blobs(60, 0, 1.0), blobs(30, 1, 1.0)
    found = knn(train, test, [2, 10, 20], headline=20, per_class=4, tries=3)
    wanted = {}
    for seed in range(3):
        torch.manual_seed(seed)
        rows = [
            (train.labels == label).nonzero()[torch.randperm(20)[:4], 0]
            for label in range(3)
        ]
        rows = torch.cat(rows)
        part = Features(train.features[rows], train.labels[rows])
        for name, value in knn(part, test, [2, 4], headline=4).items():
            wanted[name] = wanted.get(name, 0) + value / 3
    assert found == pytest.approx(wanted)
    assert set(found) == {'top1', 'top1_k2', 'top1_k4'}
    for name in ('per_class', 'tries'):
        options = dict(per_class=4) | {name: 0}
        with pytest.raises(UserError, match=f'probe.{name} must be 1'):
            knn(train, test, [2], headline=2, **options)


def test_knn_headline_and_scale_invariance():
    train, test = blobs(60, 0), blobs(30, 1)
    found = knn(train, test, [1, 10], headline=10)
    assert found['top1'] == found['top1_k10'] == 100.0
    assert set(found) == {'top1', 'top1_k1', 'top1_k10'}
    longer = Features(train.features * 7, train.labels)
    assert knn(longer, test, [1, 10], headline=10) == found


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(type='nn'), "unknown probe 'nn'"),
        (dict(pool='max'), "unknown probe.pool 'max'"),
        (dict(precision='int8'), "unknown probe.precision 'int8'"),
        (dict(neighbour=5), 'Did you mean neighbours'),
        (dict(neighbours=5), 'neighbours must be a list'),
        (dict(neighbours=[0]), 'numbers, 1 or more'),
    ],
)
def test_settings_that_no_probe_has(change, message):
    settings = dict(type='knn', neighbours=[5], headline=5, vit_pool='cls')
    check_settings(settings)
    with pytest.raises(UserError, match=message):
        check_settings(settings | change)


def test_too_many_neighbours():
    with pytest.raises(UserError, match='20 neighbours asked of 9'):
        knn(blobs(9, 0), blobs(3, 1), [20], headline=20)


def test_ranking_ap_by_hand():
    present = np.array([True, False, True, False])
    assert ranking_ap(
        np.array([4.0, 3.0, 2.0, 1.0]), present
    ) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert ranking_ap(np.array([4.0, 2.0, 3.0, 1.0]), present) == 1.0


def multi(count, seed):
    features, labels, _ = blobs(count, seed)
    return Features(features, torch.eye(3, dtype=torch.int64)[labels])


def test_svm_separates_and_leaves_difficult_out():
    train, test = multi(45, 0), multi(30, 1)
    assert svm(train, test, [1.0])['mAP'] == pytest.approx(100.0)
    # a difficult image that looks like class 0 would be a false positive
    spoilt = test.labels.clone()
    spoilt[0] = torch.tensor([0, 1, 0])
    worse = svm(train, Features(test.features, spoilt), [1.0])['mAP']
    spoilt[0] = torch.tensor([-1, -1, -1])
    left_out = svm(train, Features(test.features, spoilt), [1.0])['mAP']
    assert worse < left_out == pytest.approx(100.0)


def test_svm_needs_every_class():
    train = multi(45, 0)
    train.labels[:, 2] = 0
    with pytest.raises(UserError, match='class 2 has 0 training'):
        svm(train, multi(30, 1), [1.0])


SWEEP = dict(epochs=20, batch_size=16)


def test_linear_separates_what_can_be():
    train, test = blobs(90, 0), blobs(30, 1)
    found = linear(train, test, [1.0, 10.0], **SWEEP)
    # the first of the best
    assert found == {
        'top1': 100.0,
        'chosen/rate': 1.0,
        'held_out/top1_rate1': 100.0,
        'held_out/top1_rate10': 100.0,
    }
    # an affine change of the features is undone
    moved = [
        Features(split.features * 1e3 + 5e3, split.labels)
        for split in (train, test)
    ]
    assert linear(*moved, [1.0, 10.0], **SWEEP)['top1'] == 100.0


def test_linear_never_chooses_by_the_test_set():
    train, test = blobs(90, 0, 2.0), blobs(30, 1, 2.0)
    first = linear(train, test, [0.01, 1.0, 30.0], **SWEEP)
    other = linear(
        train,
        Features(test.features, 2 - test.labels),
        [0.01, 1.0, 30.0],
        **SWEEP,
    )
    chosen = [
        {name: value for name, value in found.items() if '/' in name}
        for found in (first, other)
    ]
    assert chosen[0] == chosen[1] and first['top1'] != other['top1']
    alone = linear(train, test, [first['chosen/rate']], **SWEEP)
    assert alone['top1'] == first['top1']


def test_linear_depends_on_the_seed_alone():
    train, test = blobs(90, 0, 2.0), blobs(30, 1, 2.0)
    found = []
    for seed in (3, 3, 4):
        torch.rand(len(found) + 1)  # the global stream is of no account
        found.append(linear(train, test, [0.3, 1.0, 3.0], seed=seed, **SWEEP))
    assert found[0] == found[1] != found[2]


def test_layers_are_trained_each_by_itself():
    """By hand: one step from zero moves W by rate x mean (y - 1/C) x."""
    train = blobs(12, 0)
    index = torch.arange(12)
    layers = fit_linear(train, index, [0.5, 1e30, 2.0], 3, 1, 12, 0.9, 0)
    x = Standardise(train.features, index)(train.features)
    torch.testing.assert_close(x.mean(0), torch.zeros(8))
    assert float(x.square().sum(1).mean()) == pytest.approx(1.0, abs=1e-3)
    target = torch.nn.functional.one_hot(train.labels, 3) - 1 / 3
    for layer, rate in ((layers[0], 0.5), (layers[2], 2.0)):
        torch.testing.assert_close(
            layer[1].weight.data, rate * target.T @ x / 12
        )
        torch.testing.assert_close(layer[1].bias.data, rate * target.mean(0))


def test_a_linear_probe_that_diverges_on_all_images_gives_no_number(
    monkeypatch,
):
    tried = []

    def diverge_at_last(layer, split, index):
        tried.append(len(index))
        return -1.0 if len(index) == 3 else 50.0

    monkeypatch.setattr(linear_layer, 'top1', diverge_at_last)
    with pytest.raises(UserError, match='diverged at the rate 1 on all'):
        linear(blobs(90, 0), blobs(3, 1), [1.0, 2.0], **SWEEP)
    assert tried == [9, 9, 3]


def test_linear_cannot():
    with pytest.raises(UserError, match='9 training images leave no tenth'):
        linear(blobs(9, 0), blobs(3, 1), [1.0, 2.0], **SWEEP)
    for rates in ([], [1.0, 0.0]):
        with pytest.raises(UserError, match='rates above 0, got'):
            linear(blobs(90, 0), blobs(3, 1), rates, **SWEEP)
    with pytest.raises(UserError, match='diverged at every rate of .3e.38'):
        linear(blobs(90, 0, 2.0), blobs(3, 1), [3e38, 3e38], **SWEEP)
    with pytest.raises(UserError, match='images; name a lower one'):
        linear(blobs(90, 0, 2.0), blobs(3, 1), [3e38], **SWEEP)
    alone = linear(blobs(9, 0), blobs(3, 1), [1.0], **SWEEP)
    assert set(alone) == {'top1', 'chosen/rate'}
    found = linear(blobs(90, 0), blobs(30, 1), [3e38, 1.0], **SWEEP)
    assert found['top1'] == 100.0 and found['held_out/top1_rate3e+38'] == -1
