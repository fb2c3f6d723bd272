"""Copies between host and device: together, and later."""

import copy

import pytest
import torch
from mmengine.dataset import default_collate
from mmpretrain.models import SelfSupDataPreprocessor
from mmpretrain.structures import DataSample
from torch import nn

from ssl_bench.layers import no_wait
from ssl_bench.layers.no_wait import HostCopy, send_together, to_device
from tests.devices import GPU


def item(number, **fields):
    sample = DataSample(metainfo=dict(img_path=str(number)))
    for name, value in fields.items():
        sample.set_field(value, name)
    views = [
        torch.full((3, 4, 4), number + v, dtype=torch.uint8) for v in (0, 1)
    ]
    return dict(inputs=views, data_samples=sample)


def batch(count=5):
    return default_collate(
        [
            item(
                i,
                crops=torch.arange(8.0).view(2, 4) + i,
                flips=torch.tensor([i % 2 == 0, True]),
                source_size=torch.tensor([i, i + 1]),
            )
            for i in range(count)
        ]
    )


@pytest.fixture
def copies(monkeypatch):
    """The tensors that are copied together."""
    seen = []

    def counted(tensor, device):
        seen.append(tensor)
        return to_device(tensor, device)

    monkeypatch.setattr(no_wait, 'to_device', counted)
    return seen


@pytest.mark.parametrize('named', [False, True])
def test_a_field_of_all_samples_is_one_copy(copies, named):
    """As mmengine's own way gives them, in both ways to call it."""
    stock = SelfSupDataPreprocessor(mean=[1.0] * 3, std=[2.0] * 3)
    ours = copy.deepcopy(stock)
    send_together(nn.ModuleDict(dict(data_preprocessor=ours)))
    expected = stock(batch(), True)
    got = ours(batch(), training=True) if named else ours(batch(), True)
    assert all(map(torch.equal, got['inputs'], expected['inputs']))
    assert type(got['data_samples']) is list
    for one, two in zip(
        got['data_samples'], expected['data_samples'], strict=True
    ):
        assert one.img_path == two.img_path and one.keys() == two.keys()
        for name in sorted(two.keys()):
            assert torch.equal(one.get(name), two.get(name))
            assert one.get(name).dtype == two.get(name).dtype
    assert [len(tensor) for tensor in copies] == [5, 5, 5]


@pytest.mark.parametrize(
    'other',
    [
        dict(boxes=torch.zeros(3, 4)),  # of another shape
        dict(boxes=torch.zeros(2, 4).double()),
        dict(boxes='text'),
        dict(),
    ],
)
def test_fields_that_do_not_stack_go_mmengine_s_way(copies, other):
    preprocessor = SelfSupDataPreprocessor()
    send_together(preprocessor)
    data = default_collate(
        [item(0, boxes=torch.zeros(2, 4)), item(1, **other)]
    )
    samples = preprocessor(data, True)['data_samples']
    assert not copies and samples[0].boxes.shape == (2, 4)
    assert samples[1].get('boxes') is other.get('boxes') or torch.equal(
        samples[1].boxes, other['boxes']
    )


def test_batches_without_samples_are_left_alone():
    preprocessor = SelfSupDataPreprocessor()
    send_together(preprocessor)
    inputs = [torch.ones(1, 3, 2, 2)]
    out = preprocessor(dict(inputs=inputs, data_samples=None), True)
    assert out['data_samples'] is None


@pytest.mark.parametrize('device', ['cpu', GPU])
def test_a_host_copy_is_of_its_time(device):
    x = torch.ones(3, device=device, requires_grad=True)
    later = HostCopy(x)
    with torch.no_grad():
        x.add_(1)
    numbers = later.read()
    assert numbers.tolist() == [1, 1, 1]
    assert numbers.device.type == 'cpu' and not numbers.requires_grad


@pytest.mark.parametrize('device', [GPU])
def test_nothing_waits(device):
    preprocessor = SelfSupDataPreprocessor(non_blocking=True).to(device)
    send_together(preprocessor)
    data = batch()
    data['inputs'] = [view.pin_memory() for view in data['inputs']]
    torch.cuda.set_sync_debug_mode('error')
    try:
        out = preprocessor(data, True)
        later = HostCopy(out['inputs'][0].sum())
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert later.read().isfinite()
    assert out['data_samples'][0].crops.device.type == 'cuda'
