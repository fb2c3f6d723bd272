"""Global batch norm: two processes are one, and one is torch's."""

import inspect

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from torch import nn
from torch.nn.modules import _functions as functions

from ssl_bench.engine.compiling import compile_parts
from ssl_bench.layers.collectives import sum_over_ranks
from ssl_bench.layers.global_bn import (
    GlobalBatchNorm,
    all_have_rows,
    replace_sync_bn,
)
from tests.devices import GPU
from tests.processes import run_in_processes

SHAPES = dict(rows=(6, 5), maps=(6, 5, 3, 2))


def data(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def layer(kind=GlobalBatchNorm, **kwargs):
    bn = kind(5, **kwargs).double()
    if bn.affine:
        nn.init.normal_(
            bn.weight, 1, 0.3, generator=torch.Generator().manual_seed(7)
        )
    return bn


def run(bn, x, weight):
    """Output, gradients and statistics after a weighted sum."""
    x = x.clone().requires_grad_()
    y = bn(x)
    (y * weight).sum().backward()
    out = dict(
        y=y.detach(),
        x=x.grad,
        mean=bn.running_mean,
        var=bn.running_var,
        count=bn.num_batches_tracked,
    )
    if bn.affine:
        out.update(weight=bn.weight.grad, bias=bn.bias.grad)
    return out


def one_rank(rank):
    half = slice(3 * rank, 3 * rank + 3)
    out = {
        name: run(layer(), data(shape)[half], data(shape, 1)[half])
        for name, shape in SHAPES.items()
    }
    average = layer(momentum=None, affine=False)
    for seed in (0, 1):
        average(data((6, 5), seed)[half])
    out['average'] = average.running_mean
    out['evaluated'] = average.eval()(data((6, 5))[half]).detach()
    bf16 = GlobalBatchNorm(5)(data((6, 5))[half].bfloat16())
    out['bf16'] = bf16.detach()
    out['sum'] = sum_over_ranks(torch.tensor(float(rank + 1)))
    return out


@pytest.fixture(scope='module')
def ranks():
    return run_in_processes(one_rank, 2)


@pytest.mark.parametrize('name', SHAPES)
def test_two_processes_equal_torch_on_the_joined_batch(ranks, name):
    kind = nn.BatchNorm1d if name == 'rows' else nn.BatchNorm2d
    whole = run(layer(kind), data(SHAPES[name]), data(SHAPES[name], 1))
    for key in ('y', 'x'):
        joined = torch.cat([out[name][key] for out in ranks])
        torch.testing.assert_close(joined, whole[key])
    for key in ('weight', 'bias'):  # shares of the sum of both losses
        total = ranks[0][name][key] + ranks[1][name][key]
        torch.testing.assert_close(total, whole[key])
    for out in ranks:
        for key in ('mean', 'var', 'count'):
            torch.testing.assert_close(out[name][key], whole[key])


def test_cumulative_average_evaluation_and_half_precision(ranks):
    plain = nn.BatchNorm1d(5, momentum=None, affine=False).double()
    for seed in (0, 1):
        plain(data((6, 5), seed))
    torch.testing.assert_close(ranks[1]['average'], plain.running_mean)
    torch.testing.assert_close(
        torch.cat([out['evaluated'] for out in ranks]),
        plain.eval()(data((6, 5))),
    )
    assert ranks[0]['bf16'].dtype == torch.bfloat16
    torch.testing.assert_close(
        torch.cat([out['bf16'] for out in ranks]).double(),
        nn.BatchNorm1d(5).double()(data((6, 5))).detach(),
        atol=0.03,
        rtol=0.02,
    )


def test_sum_over_ranks(ranks):
    assert [float(out['sum']) for out in ranks] == [3.0, 3.0]


def test_one_process_is_torch():
    ours = run(layer(), data((6, 5)), data((6, 5), 1))
    torchs = run(layer(nn.BatchNorm1d), data((6, 5)), data((6, 5), 1))
    for key, value in torchs.items():
        assert torch.equal(ours[key], value)


def alone(rank):
    return run(layer(), data((6, 5)), data((6, 5), 1))


def test_a_group_of_one_process_is_torch():
    """Where torch's SyncBatchNorm refuses CPU tensors."""
    torchs = run(layer(nn.BatchNorm1d), data((6, 5)), data((6, 5), 1))
    for key, value in run_in_processes(alone, 1)[0].items():
        assert torch.equal(torchs[key], value)


def test_the_runner_leaves_it_in_place():
    """mmengine swaps torch's synchronised norm on one process."""
    model = revert_sync_batchnorm(nn.Sequential(layer()))
    assert type(model[0]) is GlobalBatchNorm


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r'\(N, C, ...\), got .* \(5,\)'):
        layer()(data((5,)))


def test_takes_the_place_of_torchs_with_its_tensors():
    model = nn.Sequential(
        nn.Sequential(nn.SyncBatchNorm(5, eps=1e-3, momentum=0.3)),
        nn.SyncBatchNorm(5, affine=False).eval(),
        nn.BatchNorm2d(5),
    )
    before = dict(model.state_dict(keep_vars=True))
    replace_sync_bn(model)
    after = model.state_dict(keep_vars=True)
    assert before.keys() == after.keys()
    assert all(after[name] is value for name, value in before.items())
    first, second, third = model[0][0], model[1], model[2]
    assert (type(first), first.eps, first.momentum, first.training) == (
        GlobalBatchNorm,
        1e-3,
        0.3,
        True,
    )
    assert (type(second), second.affine, second.training) == (
        GlobalBatchNorm,
        False,
        False,
    )
    assert type(third) is nn.BatchNorm2d


def test_torchs_norm_asks_what_keeps_it_from_waiting():
    """torch looks for empty batches unless it records a CUDA graph."""
    source = inspect.getsource(functions.SyncBatchNorm.forward)
    asked = 'torch.cuda.is_current_stream_capturing()'
    assert source.index(asked) < source.index('count_all[mask]')
    assert source.count(asked) == 1
    before = torch.cuda.is_current_stream_capturing
    with pytest.raises(KeyError), all_have_rows():
        assert torch.cuda.is_current_stream_capturing()
        raise KeyError
    assert torch.cuda.is_current_stream_capturing is before


class Between(nn.Module):
    """A norm between two operations."""

    def __init__(self):
        super().__init__()
        self.norm = GlobalBatchNorm(3)

    def forward(self, x):
        return self.norm(x.relu()).tanh()


def test_a_graph_leaves_out_what_asks_other_processes(monkeypatch):
    torch._dynamo.reset()
    asked, graphs = [], []

    def forward(norm, x):
        asked.append(torch.compiler.is_compiling())
        return x + 1

    def backend(graph, inputs):
        calls = graph.graph.find_nodes(op='call_method', target='relu')
        calls += graph.graph.find_nodes(op='call_method', target='tanh')
        graphs.append([node.target for node in calls])
        return graph.forward

    monkeypatch.setattr('ssl_bench.layers.global_bn.get_world_size', lambda: 2)
    monkeypatch.setattr(nn.SyncBatchNorm, 'forward', forward)
    net = Between().to('meta')
    compile_parts([net], backend=backend)
    assert net(torch.ones(2, 3, device='meta')).shape == (2, 3)
    assert asked == [False] and graphs == [['relu'], ['tanh']]


def on_the_gpu(rank):
    """Output and gradient of this process's rows; no layer waits."""
    norm = GlobalBatchNorm(3).cuda()
    x = joined()[rank * 4 : rank * 4 + 4].cuda().requires_grad_()
    out = norm(x)
    (out * joined()[rank * 4 : rank * 4 + 4].cuda() ** 2).sum().backward()
    return out.detach().cpu(), x.grad.cpu(), norm.running_var.cpu()


def joined():
    seed = torch.Generator().manual_seed(3)
    return torch.randn(8, 3, 5, 5, generator=seed)


@pytest.mark.parametrize('device', [GPU])
def test_two_processes_on_a_gpu_equal_torch_on_the_joined_batch(device):
    norm = nn.BatchNorm2d(3).to(device)
    x = joined().to(device).requires_grad_()
    out = norm(x)
    (out * joined().to(device) ** 2).sum().backward()
    parts = run_in_processes(on_the_gpu, 2)
    for i, expected in enumerate((out.detach(), x.grad)):
        got = torch.cat([part[i] for part in parts])
        torch.testing.assert_close(got, expected.cpu(), rtol=1e-4, atol=1e-5)
    for part in parts:
        torch.testing.assert_close(part[2], norm.running_var.cpu())
