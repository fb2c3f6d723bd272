"""The backbone file: same content, same bytes; damage is noticed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from ssl_bench.checkpoints import Backbone, read_backbone, write_backbone
from ssl_bench.checkpoints.backbone import (
    FORMAT,
    is_backbone,
    read_header,
    tensors_sha256,
    write_safetensors,
)
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.errors import UserError
from tests.backbones import thin_backbone

FORMAT_1 = Path(__file__).parents[1] / 'data/format_1.backbone.safetensors'

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
        assert list(file.metadata()) == ['ssl_bench']
        fields = json.loads(file.metadata()['ssl_bench'])
        assert fields == dict(
            META,
            format=FORMAT,
            tensors_sha256=tensors_sha256(backbone().tensors()),
        )
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


def written_by_four_processes(tmp_path, call):
    """Bytes that ``call``, a statement with the path ``out``, writes."""
    found = []
    for seed in ('0', '1', '2', 'random'):
        out = tmp_path / f'seed_{seed}'
        code = (
            'from tests.checkpoints.test_backbone import *; '
            f'out = Path({str(out)!r}); {call}'
        )
        subprocess.run(
            [sys.executable, '-c', code],
            check=True,
            env={**os.environ, 'PYTHONHASHSEED': seed},
        )
        found.append(out.read_bytes())
    return found


@pytest.mark.slow
def test_four_processes_write_the_same_bytes(tmp_path):
    write_backbone(tmp_path / 'a', backbone())
    found = written_by_four_processes(
        tmp_path, 'write_backbone(out, backbone())'
    )
    assert found == [(tmp_path / 'a').read_bytes()] * 4


@pytest.mark.slow
def test_two_keys_keep_the_bytes(tmp_path):
    """The library alone gives one of two files, also in one process."""
    keys = dict(ssl_bench='\x00"\\/ü\u2028\x7f\n', format='pt')
    tensors = backbone().tensors()
    found = set()
    for number in range(20):
        path = tmp_path / str(number)
        write_safetensors(path, tensors, keys)
        found.add(path.read_bytes())
    assert len(found) == 1
    with safe_open(str(path), 'pt') as file:
        assert file.metadata() == keys
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)
    call = f'write_safetensors(out, backbone().tensors(), {keys!r})'
    assert {*written_by_four_processes(tmp_path, call)} == found


def test_shared_and_strided_memory(tmp_path):
    values = torch.arange(12.0).reshape(3, 4)
    tied = Backbone(
        dict(
            all=values,
            same=values,
            row=values[1],
            turned=values.t(),
            twice=values[:1].expand(2, 4),
        ),
        meta=dict(META),
    )
    write_backbone(tmp_path / 'a', tied)
    found = read_backbone(tmp_path / 'a').state
    assert found.keys() == tied.state.keys()
    assert all(torch.equal(found[name], tied.state[name]) for name in found)


def test_format_1_is_read(tmp_path):
    """A file that the first version wrote: a key of the header per field."""
    expected = Backbone(
        {
            'conv1.weight': torch.arange(588).reshape(4, 3, 7, 7) / 8,
            'bn1.num_batches_tracked': torch.tensor(3),
            'bn1.bias': torch.arange(5).half() / 4,
            'empty': torch.zeros(0, 2),
        },
        neck={'fpn_convs.0.conv.weight': torch.ones(2).bfloat16()},
        roi_head={'bbox_head.shared_fcs.0.bias': torch.ones(2).double()},
    )
    found = read_backbone(FORMAT_1)
    assert found.meta == read_header(FORMAT_1) == META
    assert found.tensors().keys() == expected.tensors().keys()
    for name, tensor in expected.tensors().items():
        assert found.tensors()[name].dtype == tensor.dtype
        assert torch.equal(found.tensors()[name], tensor)
    assert is_backbone(read_object(FORMAT_1))
    # the digest that the first version computed
    assert tensors_sha256(found.tensors()) == (
        '2a9b0d2475896eb31d8a11fa5fc5330ee1b6c03c1d14de503ad8b03f1e540d65'
    )
    write_backbone(tmp_path / 'a', found)
    again = read_backbone(tmp_path / 'a')
    assert again.meta == META
    assert tensors_sha256(again.tensors()) == tensors_sha256(found.tensors())


def test_headers_of_both_formats(tmp_path):
    path = tmp_path / 'a'
    write_backbone(path, thin_backbone())
    assert read_header(path) == thin_backbone().meta
    assert is_backbone(read_object(path))
    for text in ('[1]', '{', '{"format": 3}', '{"meta": {}}'):
        write_safetensors(path, dict(a=torch.ones(1)), dict(ssl_bench=text))
        assert read_header(path) == {}
        assert not is_backbone(read_object(path))
    write_safetensors(
        path,
        dict(a=torch.ones(1)),
        dict(format='ssl_bench.backbone/1', pretrain_epochs='{'),
    )
    with pytest.raises(UserError, match='is not a backbone file'):
        read_backbone(path)


def test_data_are_aligned(tmp_path):
    write_backbone(tmp_path / 'a', backbone())
    content = (tmp_path / 'a').read_bytes()
    assert int.from_bytes(content[:8], 'little') % 8 == 0


def test_a_full_disk_keeps_the_old_file(tmp_path):
    (tmp_path / 'out').write_bytes(b'old')
    code = (
        'import resource; from tests.checkpoints.test_backbone import *\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (999, 999))\n'
        'try:\n'
        f'    write_backbone({str(tmp_path / "out")!r}, backbone())\n'
        'except UserError as error:\n'
        '    print(error)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert 'Nothing was written' in done.stdout, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['out']
    assert (tmp_path / 'out').read_bytes() == b'old'


def test_damage_is_noticed(tmp_path):
    path = tmp_path / 'a'
    write_backbone(path, backbone())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match='is damaged'):
        read_backbone(path)
    path.write_bytes(content[:-1])
    with pytest.raises(UserError, match='is cut short .3,493 bytes of 3,494'):
        read_backbone(path)


def test_other_safetensors_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({'conv1.weight': torch.ones(2)}, tmp_path / 'a')
    with pytest.raises(UserError, match='is not a backbone file'):
        read_backbone(tmp_path / 'a')
    assert read_header(tmp_path / 'a') == {}
    with pytest.raises(UserError, match='no such checkpoint'):
        read_backbone(tmp_path / 'b')


def test_a_type_that_cannot_be_stored(tmp_path):
    odd = Backbone({'a': torch.ones(2).to(torch.complex64)}, meta=META)
    with pytest.raises(UserError, match='complex64'):
        write_backbone(tmp_path / 'a', odd)
    assert not (tmp_path / 'a').exists()
