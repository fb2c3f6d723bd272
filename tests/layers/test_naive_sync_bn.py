"""Naive SyncBN: processes weigh alike, whatever they hold."""

import pytest
import torch
from torch import nn

from ssl_bench.layers.global_bn import GlobalBatchNorm
from ssl_bench.layers.naive_sync_bn import NaiveSyncBatchNorm
from tests.processes import run_in_processes

EQUAL = ((2, 5, 3, 4), (2, 5, 3, 4))
UNEQUAL = ((2, 5, 3, 4), (1, 5, 6, 7))  # images of two sizes
ROWS = ((4, 5), (9, 5))


def data(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, dtype=torch.float64, generator=generator)
    return x * (1 + seed) + seed  # the two differ in mean and spread


def layer(kind=NaiveSyncBatchNorm):
    norm = kind(5).double()
    nn.init.normal_(
        norm.weight, 1, 0.3, generator=torch.Generator().manual_seed(7)
    )
    nn.init.normal_(norm.bias, generator=torch.Generator().manual_seed(8))
    return norm


def loss(y):
    """One that no symmetry makes zero."""
    return (y.sigmoid() * y).sum()


def run(norm, x):
    x = x.clone().requires_grad_()
    y = norm(x)
    loss(y).backward()
    return dict(
        y=y.detach(),
        x=x.grad,
        weight=norm.weight.grad,
        bias=norm.bias.grad,
        mean=norm.running_mean,
        var=norm.running_var,
        count=norm.num_batches_tracked,
    )


def one_rank(rank):
    out = {
        name: run(layer(), data(shapes[rank], rank))
        for name, shapes in (
            ('equal', EQUAL),
            ('unequal', UNEQUAL),
            ('rows', ROWS),
        )
    }
    out['global'] = run(layer(GlobalBatchNorm), data(EQUAL[rank], rank))
    out['weighed'] = run(layer(GlobalBatchNorm), data(UNEQUAL[rank], rank))
    norm = layer().eval()
    norm.running_mean.fill_(0.5)
    out['evaluated'] = norm(data(EQUAL[rank], rank)).detach()
    x = data(EQUAL[rank], rank).bfloat16()
    out['bf16'] = layer().float()(x).detach()
    try:  # both processes, or the other would wait for ever
        layer()(torch.zeros(0, 5, 3, 4, dtype=torch.float64))
    except ValueError as error:
        out['empty'] = str(error)
    return out


@pytest.fixture(scope='module')
def ranks():
    return run_in_processes(one_rank, 2)


def direct(shapes):
    """Both processes in one graph, written out."""
    norm = layer(nn.BatchNorm2d)
    xs = [
        data(shape, rank).requires_grad_() for rank, shape in enumerate(shapes)
    ]
    flat = [x.transpose(0, 1).flatten(1) for x in xs]  # (5, count)
    mean = (flat[0].mean(1) + flat[1].mean(1)) / 2
    square = (flat[0].pow(2).mean(1) + flat[1].pow(2).mean(1)) / 2
    var = square - mean**2

    def put(values, x):
        return values.view(1, -1, *[1] * (x.ndim - 2))

    ys = [
        (x - put(mean, x)) / put((var + 1e-5).sqrt(), x) * put(norm.weight, x)
        + put(norm.bias, x)
        for x in xs
    ]
    sum(loss(y) for y in ys).backward()
    return [dict(y=y.detach(), x=x.grad) for x, y in zip(xs, ys)], dict(
        weight=norm.weight.grad,
        bias=norm.bias.grad,
        mean=0.1 * mean.detach(),
        var=0.9 + 0.1 * var.detach(),  # the biased one
    )


@pytest.mark.parametrize(
    ('name', 'shapes'),
    [('equal', EQUAL), ('unequal', UNEQUAL), ('rows', ROWS)],
)
def test_two_processes_equal_a_direct_computation(ranks, name, shapes):
    each, shared = direct(shapes)
    for out, want in zip(ranks, each):
        torch.testing.assert_close(out[name]['y'], want['y'])
        torch.testing.assert_close(out[name]['x'], want['x'])
        torch.testing.assert_close(out[name]['mean'], shared['mean'])
        torch.testing.assert_close(out[name]['var'], shared['var'])
        assert out[name]['count'] == 1
    for key in ('weight', 'bias'):  # shares of the sum of both losses
        total = ranks[0][name][key] + ranks[1][name][key]
        torch.testing.assert_close(total, shared[key])


def test_it_is_sync_bn_where_counts_are_equal(ranks):
    for out in ranks:
        for key in ('y', 'x', 'weight', 'bias', 'mean'):
            torch.testing.assert_close(out['equal'][key], out['global'][key])
        apart = (out['unequal']['y'] - out['weighed']['y']).abs().max()
        assert apart > 0.01


def test_evaluation_half_precision_and_no_rows(ranks):
    norm = layer(nn.BatchNorm2d).eval()
    norm.running_mean.fill_(0.5)
    for rank, out in enumerate(ranks):
        torch.testing.assert_close(
            out['evaluated'], norm(data(EQUAL[rank], rank)).detach()
        )
        assert out['bf16'].dtype == torch.bfloat16
        torch.testing.assert_close(
            out['bf16'].double(), out['equal']['y'], atol=0.05, rtol=0.02
        )
        assert 'no rows' in out['empty']


def test_one_process_is_plain_batch_norm():
    ours, torchs = (
        run(layer(kind), data(EQUAL[0], 0))
        for kind in (NaiveSyncBatchNorm, nn.BatchNorm2d)
    )
    for key, value in torchs.items():
        assert torch.equal(ours[key], value)


def test_toolkits_build_it_by_name(registered):
    from mmcv.cnn import build_norm_layer
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        name, norm = build_norm_layer(
            dict(type='mmengine.NaiveSyncBN', requires_grad=True), 8
        )
    assert name == 'bn' and type(norm) is NaiveSyncBatchNorm
    with pytest.raises(ValueError, match='N, C'):
        norm(torch.zeros(8))
