import numpy as np
import pytest
import torch

from ssl_bench.errors import UserError
from ssl_bench.transfer.scores import (Features, knn, knn_votes, ranking_ap,
                                       svm)


def blobs(count, seed, noise=0.2):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    centres = torch.eye(3, 8)
    return Features(centres[labels] + noise * torch.randn(
        count, 8, generator=generator), labels)


def test_votes_equal_a_slow_loop():
    train, test = blobs(30, 0, 2.), blobs(7, 1, 2.)
    votes = knn_votes(train, test.features, 5, 3, 0.07)
    for query, got in zip(test.features, votes):
        cosines = [(float(torch.cosine_similarity(query, row, dim=0)),
                    int(label)) for row, label in zip(*train)]
        want = [0.] * 3
        for cosine, label in sorted(cosines, reverse=True)[:5]:
            want[label] += np.exp(cosine / 0.07)
        np.testing.assert_allclose(got, want, rtol=1e-4)


def test_knn_headline_and_scale_invariance():
    train, test = blobs(60, 0), blobs(30, 1)
    found = knn(train, test, [1, 10], headline=10)
    assert found['top1'] == found['top1_k10'] == 100.
    assert set(found) == {'top1', 'top1_k1', 'top1_k10'}
    longer = Features(train.features * 7, train.labels)
    assert knn(longer, test, [1, 10], headline=10) == found


def test_too_many_neighbours():
    with pytest.raises(UserError, match='20 neighbours asked of 9'):
        knn(blobs(9, 0), blobs(3, 1), [20], headline=20)


def test_ranking_ap_by_hand():
    present = np.array([True, False, True, False])
    assert ranking_ap(np.array([4., 3., 2., 1.]), present) == \
        pytest.approx(0.5 + 0.5 * 2 / 3)
    assert ranking_ap(np.array([4., 2., 3., 1.]), present) == 1.


def multi(count, seed):
    features, labels = blobs(count, seed)
    return Features(features, torch.eye(3, dtype=torch.int64)[labels])


def test_svm_separates_and_leaves_difficult_out():
    train, test = multi(45, 0), multi(30, 1)
    assert svm(train, test, [1.])['mAP'] == pytest.approx(100.)
    # a difficult image that looks like class 0 would be a false positive
    spoilt = test.labels.clone()
    spoilt[0] = torch.tensor([0, 1, 0])
    worse = svm(train, Features(test.features, spoilt), [1.])['mAP']
    spoilt[0] = torch.tensor([-1, -1, -1])
    left_out = svm(train, Features(test.features, spoilt), [1.])['mAP']
    assert worse < left_out == pytest.approx(100.)


def test_svm_needs_every_class():
    train = multi(45, 0)
    train.labels[:, 2] = 0
    with pytest.raises(UserError, match='class 2 has 0 training'):
        svm(train, multi(30, 1), [1.])
