"""Logistic regression by blocks equals scikit-learn's."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.patches import Standard
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.probe_scores import logistic_blocks, logistic_sweep
from ssl_bench.transfer.probe_scores.logistic_blocks import (
    Blocks,
    Solver,
    fit_costs,
    predict_blocks,
)
from tests.processes import run_in_processes

EXACT = Solver(
    memory=10, iterations=1000, tol=1e-10, line_search=50, precision='float64'
)
COSTS = [1e-3, 0.3, 10.0]


def fit_one(rows, labels, index, cost, solver, standard=None):
    (found,) = fit_costs(
        Blocks.of(rows, labels, index),
        [cost],
        solver,
        warm_start=False,
        standard=standard,
    )
    return found


def data(classes=3, count=90):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes * 2 + 1  # gaps between labels
    centres = torch.randn(2 * classes, 6, generator=generator)
    noise = 2 * torch.randn(count, 6, generator=generator)
    return 3 + centres[labels] + noise, labels


def by_library(rows, labels, cost):
    model = LogisticRegression(C=cost, tol=1e-10, max_iter=5000)
    return model.fit(rows.double().numpy(), labels.numpy())


@pytest.mark.parametrize('classes', [2, 3])
@pytest.mark.parametrize('warm_start', [False, True])
def test_solutions_are_the_librarys(monkeypatch, classes, warm_start):
    monkeypatch.setattr(logistic_blocks, 'BLOCK', 16)
    monkeypatch.setattr(logistic_blocks, 'HELD', 1000)  # two of the blocks
    rows, labels = data(classes)
    index = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    index = index[:80]
    found = list(
        fit_costs(
            Blocks.of(rows, labels, index), COSTS, EXACT, warm_start=warm_start
        )
    )
    assert [one.cost for one in found] == COSTS
    for one in found:
        model = by_library(rows[index], labels[index], one.cost)
        probability = one.logits(rows).softmax(1).numpy()
        np.testing.assert_allclose(
            probability, model.predict_proba(rows.double()), atol=1e-6
        )
        parts = dict(
            pair
            for part, label in predict_blocks(one, rows, torch.arange(90))
            for pair in zip(part.tolist(), label.tolist())
        )
        wanted = model.predict(rows.double().numpy())
        assert [parts[row] for row in range(90)] == wanted.tolist()


def test_a_warm_start_needs_fewer_iterations():
    rows, labels = data()
    near = [1.0, 1.01]
    cold, warm = (
        list(
            fit_costs(
                Blocks.of(rows, labels, torch.arange(90)),
                near,
                EXACT,
                warm_start=w,
            )
        )
        for w in (False, True)
    )
    assert warm[0].iterations == cold[0].iterations > 5
    assert warm[1].iterations < cold[1].iterations


def test_rows_are_standardised():
    rows, labels = data()
    rows = rows * torch.tensor([1.0, 100.0, 1.0, 0.01, 1.0, 1.0])
    standard = Standard.of(rows.double())
    found = fit_one(rows, labels, torch.arange(90), 0.3, EXACT, standard)
    model = by_library(standard(rows.double()), labels, 0.3)
    np.testing.assert_allclose(found.weights, model.coef_, atol=1e-5)
    np.testing.assert_allclose(found.biases, model.intercept_, atol=1e-5)
    np.testing.assert_array_equal(
        found.predict(rows), model.predict(standard(rows.double()))
    )


def test_the_number_of_iterations_is_kept():
    rows, labels = data()
    short = Solver(
        memory=5, iterations=3, tol=1e-12, line_search=50, precision='float64'
    )
    found = fit_one(rows, labels, torch.arange(90), 10.0, short)
    assert found.iterations == 3
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = LogisticRegression(C=10.0, tol=1e-12, max_iter=3)
        model.fit(rows.double(), labels)
    # scikit-learn's memory is 10, which three iterations do not fill
    np.testing.assert_allclose(found.weights, model.coef_, atol=1e-8)


def fit_a_part(rank):
    logistic_blocks.BLOCK = 16
    rows, labels = data()
    return fit_one(rows, labels, torch.arange(90), 0.3, EXACT).weights


def test_processes_share_the_rows(monkeypatch):
    monkeypatch.setattr(logistic_blocks, 'BLOCK', 16)
    torch.set_num_threads(1)
    rows, labels = data()
    alone = fit_one(rows, labels, torch.arange(90), 0.3, EXACT)
    first, second = run_in_processes(fit_a_part, 2)
    assert torch.equal(first, second)
    assert torch.equal(first, alone.weights)


def test_what_cannot_be_fitted():
    rows, labels = data()
    index = torch.arange(90)
    with pytest.raises(UserError, match='have the label 0; .* needs two'):
        fit_one(rows, labels * 0, index, 1.0, EXACT)
    with pytest.raises(UserError, match='numbers above 0'):
        fit_one(rows, labels, index, 0.0, EXACT)


SWEEP = dict(
    share=0.2,
    split_seed=0,
    memory=10,
    iterations=1000,
    tol=1e-10,
    line_search=50,
    solver_precision='float64',
    warm_start=True,
)


def test_a_sweep_is_scikit_learns():
    rows, labels = data(3, 200)
    train, test = (
        Features(rows[part], labels[part])
        for part in (slice(150), slice(150, 200))
    )
    costs = [1e-5, 1e-3, 1e-1, 10.0]
    found = logistic_sweep(train, test, costs=costs, **SWEEP)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    held, used = order[:30], order[30:]
    wanted = {}
    for cost in costs:
        model = by_library(rows[used], labels[used], cost)
        right = model.predict(rows[held].double()) == labels[held].numpy()
        wanted[cost] = 100 * float(right.mean())
        assert found[f'held_out/top1_C{cost:.3g}'] == wanted[cost]
    best = max(costs, key=wanted.__getitem__)
    assert len(set(wanted.values())) > 1 and found['chosen/C'] == best
    model = by_library(train.features, train.labels, best)
    right = model.predict(test.features.double()) == test.labels.numpy()
    assert found['top1'] == pytest.approx(100 * right.mean())


def test_a_sweep_never_chooses_by_the_test_set():
    rows, labels = data(3, 100)
    train = Features(rows, labels)
    found = [
        logistic_sweep(
            train, Features(rows, wanted), costs=[1e-5, 1.0], **SWEEP
        )
        for wanted in (labels, 6 - labels)
    ]
    assert found[0]['top1'] != found[1]['top1']
    for name in found[0].keys() - {'top1'}:
        assert found[0][name] == found[1][name]


def test_a_sweep_needs_images_that_choose():
    rows, labels = data()
    train = Features(rows, labels)
    for share in (0.001, 1):
        with pytest.raises(UserError, match='split by probe.share'):
            logistic_sweep(
                train, train, costs=[1.0], **dict(SWEEP, share=share)
            )


def sweep_a_part(rank):
    logistic_blocks.BLOCK = 16
    train = Features(*data())
    found = logistic_sweep(train, train, costs=COSTS, **SWEEP)
    return {name: torch.tensor(value) for name, value in found.items()}


def test_processes_share_a_sweep(monkeypatch):
    monkeypatch.setattr(logistic_blocks, 'BLOCK', 16)
    torch.set_num_threads(1)
    train = Features(*data())
    alone = logistic_sweep(train, train, costs=COSTS, **SWEEP)
    for part in run_in_processes(sweep_a_part, 2):
        assert {name: float(value) for name, value in part.items()} == {
            name: pytest.approx(value, abs=1e-5)
            for name, value in alone.items()
        }
