"""The backbone file: same content, same bytes; damage is noticed."""

import json
import struct
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from ssl_bench.checkpoints import Backbone, read_backbone, write_backbone
from ssl_bench.errors import UserError

META = dict(
    method='InsLoc',
    variant='FPN',
    arch='resnet18-w16',
    arch_args=dict(depth=18, base=16),
    pretrain_data='ImageNet-1K',
    pretrain_epochs=200,
    pretrain_batch=None,
    config='a.py',
    source_format='mmengine',
    source_sha256='0' * 64,
    ssl_bench_version='0.1.0',
    sources=dict(method='meta.cfg.method.name'),
)


def backbone():
    generator = torch.Generator().manual_seed(0)
    return Backbone(
        {
            'conv1.weight': torch.randn(4, 3, 7, 7, generator=generator),
            'bn1.num_batches_tracked': torch.tensor(3),
            'bn1.bias': torch.randn(5, generator=generator).half(),
            'empty': torch.zeros(0, 2),
        },
        neck={'fpn_convs.0.conv.weight': torch.ones(2).bfloat16()},
        roi_head={'bbox_head.shared_fcs.0.bias': torch.ones(2).double()},
        meta=dict(META),
    )


def test_round_trip(tmp_path):
    path = tmp_path / 'a.backbone.safetensors'
    write_backbone(path, backbone())
    found, expected = read_backbone(path), backbone()
    assert found.meta == META
    for group in ('backbone', 'neck', 'roi_head'):
        assert set(found.group(group)) == set(expected.group(group))
        for name, tensor in expected.group(group).items():
            assert found.group(group)[name].dtype == tensor.dtype
            assert torch.equal(found.group(group)[name], tensor)


def test_other_tools_read_it(tmp_path):
    path = tmp_path / 'a.safetensors'
    write_backbone(path, backbone())
    with safe_open(str(path), 'pt') as file:
        assert file.metadata()['method'] == 'InsLoc'
        assert json.loads(file.metadata()['pretrain_epochs']) == 200
        assert torch.equal(
            file.get_tensor('backbone.conv1.weight'),
            backbone().state['conv1.weight'],
        )


def test_order_does_not_change_the_bytes(tmp_path):
    first = backbone()
    second = Backbone(
        dict(reversed(first.state.items())),
        first.neck,
        first.roi_head,
        dict(reversed(first.meta.items())),
    )
    write_backbone(tmp_path / 'a', first)
    write_backbone(tmp_path / 'b', second)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_another_process_writes_the_same_bytes(tmp_path):
    write_backbone(tmp_path / 'a', backbone())
    code = (
        'from tests.checkpoints.test_backbone import *; '
        f'write_backbone({str(tmp_path / "b")!r}, backbone())'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_data_are_aligned(tmp_path):
    write_backbone(tmp_path / 'a', backbone())
    content = (tmp_path / 'a').read_bytes()
    assert struct.unpack('<Q', content[:8])[0] % 8 == 0


def test_damage_is_noticed(tmp_path):
    path = tmp_path / 'a'
    write_backbone(path, backbone())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match='is damaged'):
        read_backbone(path)
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match='cannot be read as safetensors'):
        read_backbone(path)


def test_other_safetensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({'conv1.weight': torch.ones(2)}, tmp_path / 'a')
    with pytest.raises(UserError, match='is not a backbone file'):
        read_backbone(tmp_path / 'a')
    with pytest.raises(UserError, match='no such file'):
        read_backbone(tmp_path / 'b')


def test_a_type_that_cannot_be_stored(tmp_path):
    odd = Backbone({'a': torch.ones(2).to(torch.complex64)}, meta=META)
    with pytest.raises(UserError, match='complex64'):
        write_backbone(tmp_path / 'a', odd)
    assert not (tmp_path / 'a').exists()
