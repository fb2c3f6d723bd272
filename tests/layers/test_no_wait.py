"""Copies between host and device that nobody waits for."""

import pytest
import torch
from mmpretrain.models import SelfSupDataPreprocessor

from ssl_bench.layers.no_wait import HostCopy
from tests.devices import GPU


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
    data = dict(
        inputs=[torch.ones(2, 3, 4, 4).byte().pin_memory()],
        data_samples=dict(crops=torch.ones(2, 2, 4).pin_memory()),
    )
    torch.cuda.set_sync_debug_mode('error')
    try:
        out = preprocessor(data, True)
        later = HostCopy(out['inputs'][0].sum())
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert later.read().isfinite()
    assert out['data_samples']['crops'].device.type == 'cuda'
