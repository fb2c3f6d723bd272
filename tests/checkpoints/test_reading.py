"""Bad, truncated and hostile files: one message each, nothing run."""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import random

import numpy as np
import pytest
import torch

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.reading import Inert, read_object
from ssl_bench.cli import convert as command
from ssl_bench.cli import main
from ssl_bench.errors import UserError


class Payload:
    """Makes a file if anybody unpickles it."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


class Colour:
    """A class of somebody's own program."""


def weights():
    return {'conv1.weight': torch.ones(2, 3)}


@pytest.fixture
def small(tmp_path, resnet18):
    """A whole file of an R18."""
    path = tmp_path / 'whole.pth'
    torch.save(resnet18.state_dict(), path)
    return path


def message(path, *args):
    with pytest.raises(UserError) as caught:
        convert(path, *args)
    text = str(caught.value)
    assert '\n' not in text and str(path) in text
    return text


def test_not_a_file(tmp_path):
    assert 'no such checkpoint' in message(tmp_path / 'nothing.pth')
    assert 'is a folder' in message(tmp_path)


@pytest.mark.parametrize(
    'content,expected',
    [
        (b'', 'is empty'),
        (b'<!DOCTYPE html><html><body>404</body></html>', 'web page'),
        (b'\n<html>', 'web page'),
        (b'version https://git-lfs.github.com/spec/v1\noid', 'git-lfs'),
        (b'\x1f\x8b\x08\x00', 'compressed'),
        (b'hello, world', 'its first bytes'),
        (b'\x80\x02}q\x00', 'cut short or damaged (5 bytes'),
        (b'PK\x03\x04 and then nothing', 'cut short or damaged (21 bytes'),
        (
            (9).to_bytes(8, 'little') + b'{"a":1} ',
            'cut short (16 bytes of 17)',
        ),
    ],
)
def test_not_weights(tmp_path, content, expected):
    path = tmp_path / 'download.pth'
    path.write_bytes(content)
    assert expected in message(path)


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
@pytest.mark.parametrize('part', [0.001, 0.5, 0.999])
def test_truncated(tmp_path, resnet18, kind, part):
    path = tmp_path / 'c.pth'
    if kind == 'safetensors':
        from safetensors.torch import save_file

        save_file(resnet18.state_dict(), path)
    else:
        torch.save(
            resnet18.state_dict(),
            path,
            _use_new_zipfile_serialization=kind == 'zip',
        )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    text = message(path)
    assert 'is cut short' in text
    assert f'({path.stat().st_size:,} bytes' in text
    if kind == 'safetensors' and part > 0.4:
        assert f' of {len(whole):,})' in text


def test_no_permission(tmp_path, small, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('builtins.open', refuse)
    assert 'no permission' in message(small)


@pytest.mark.parametrize(
    'content,expected',
    [
        (dict(optimizer={'state': {}}, epoch=3), 'no weights (only: optim'),
        ({}, 'only: nothing'),
        ([1, 2], 'holds a list'),
        (
            dict(state_dict={'linear.weight': torch.ones(2, 2)}),
            r'no encoder that could be recognised',
        ),
    ],
)
def test_no_encoder(tmp_path, content, expected):
    path = tmp_path / 'c.pth'
    torch.save(content, path)
    assert expected in message(path)


def test_whole_model_instead_of_state_dict(tmp_path):
    path = tmp_path / 'c.pth'
    torch.save(torch.nn.Linear(2, 2), path)
    text = message(path)
    assert 'torch.nn.modules.linear.Linear' in text and '--trust' in text


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'pickle'])
def test_hostile_file_is_not_run(tmp_path, kind):
    marker = tmp_path / 'executed'
    path = tmp_path / 'c.pkl'
    content = dict(model=weights(), extra=Payload(marker))
    if kind == 'pickle':
        path.write_bytes(pickle.dumps(dict(extra=Payload(marker))))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == 'zip')
    text = message(path)
    assert 'mkdir' in text and '--trust' in text
    assert not marker.exists()
    read_object(path, trust=True)  # the file does what it says
    assert marker.exists()


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'pickle'])
def test_damage_anywhere_is_one_message(tmp_path, kind):
    """Every truncation and changed byte is read or refused, never raised."""
    path = tmp_path / 'c.pth'
    content = dict(model={'a': torch.ones(4)}, args=argparse.Namespace(x=1))
    if kind == 'pickle':
        path.write_bytes(pickle.dumps(dict(model={'a': np.ones(4)})))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == 'zip')
    whole = path.read_bytes()
    draw = random.Random(0)
    cases = [whole[: draw.randrange(len(whole))] for _ in range(40)]
    for _ in range(40):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] = draw.randrange(256)
        cases.append(bytes(changed))
    refused = 0
    for case in cases:
        path.write_bytes(case)
        try:
            read_object(path)
        except UserError as error:
            assert str(error).isprintable()
            refused += 1
    assert refused >= 40


def test_names_cannot_write_to_the_terminal(tmp_path):
    path = tmp_path / 'c.pkl'
    path.write_bytes(b'\x80\x02c\x1b[2J\nevil\n.')
    text = message(path)
    assert text.isprintable() and 'evil' in text


def test_hostile_use_of_allowed_names(tmp_path):
    """A class on the list cannot be used to reach one that is not."""
    path = tmp_path / 'c.pkl'
    for code in (
        b'cnumpy\nndarray.__reduce__\n.',
        b'c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00zliltR.',
        b'cbuiltins\neval\n(X\x01\x00\x00\x001tR.',
    ):
        path.write_bytes(b'\x80\x02' + code)
        assert '--trust' in message(path)


def test_unknown_class_is_named_and_trusted(tmp_path, resnet18):
    path = tmp_path / 'c.pth'
    torch.save(dict(state_dict=dict(resnet18.state_dict()), it=Colour()), path)
    assert f'{Colour.__module__}.Colour' in message(path)
    backbone, _ = convert(path, trust=True)
    assert backbone.arch == 'resnet18'


@pytest.mark.parametrize('legacy', [False, True])
def test_honest_types_need_no_trust(tmp_path, legacy):
    from mmengine.logging import HistoryBuffer

    path = tmp_path / 'c.pth'
    torch.save(
        dict(
            model=weights(),
            args=argparse.Namespace(
                lr=1e-3, out=pathlib.Path('/x'), size=np.int64(3)
            ),
            value=np.float32(2.5),
            array=np.arange(3),
            dtype=np.dtype('f4'),
            history=HistoryBuffer([1.0, 2.0], [1, 1]),
            shape=torch.Size([2]),
            found=collections.defaultdict(list, a=[1]),
            when=datetime.datetime(2024, 1, 2),
            counts=collections.Counter('aab'),
        ),
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    content = read_object(path)
    assert isinstance(content['args'], Inert)
    assert content['args'].lr == 1e-3
    assert torch.equal(content['model']['conv1.weight'], torch.ones(2, 3))
    with pytest.raises(Exception):  # the permission did not outlive the call
        torch.load(path, weights_only=True)


def test_mmengine_message_hub(tmp_path):
    """What a runner saves next to its weights, made by mmengine itself."""
    from mmengine.logging import MessageHub

    hub = MessageHub.get_instance('checkpoint-test')
    hub.update_scalar('train/loss', np.float32(0.5))
    hub.update_scalar('train/lr', 0.1)
    hub.update_info('iter', 3)
    path = tmp_path / 'c.pth'
    torch.save(
        dict(
            meta=dict(mmengine_version='0.10'),
            state_dict=weights(),
            message_hub=hub.state_dict(),
        ),
        path,
    )
    assert set(read_object(path)) == {'meta', 'state_dict', 'message_hub'}


def test_cli_writes_nothing_on_error(tmp_path, capsys, small):
    out = tmp_path / 'out.backbone.safetensors'
    assert main(['convert', str(small), str(out), '--arch', 'r50']) == 2
    error = capsys.readouterr().err
    assert 'holds resnet18, not resnet50' in error
    assert error.count('\n') == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ['whole.pth']


def test_cli_converts_and_reports(tmp_path, capsys, small):
    out = tmp_path / 'out.backbone.safetensors'
    assert (
        main(
            [
                'convert',
                str(small),
                str(out),
                '--arch',
                'r18',
                '--meta',
                'method=Mine',
                'pretrain_epochs=12',
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert 'resnet18, read as torchvision' in printed
    assert '20 batch norms' in printed
    from ssl_bench.checkpoints import read_backbone

    meta = read_backbone(out).meta
    assert (meta['method'], meta['pretrain_epochs']) == ('Mine', 12)
    assert meta['sources']['method'] == 'given by the user'
    assert (
        main(
            [
                'convert',
                str(out),
                str(tmp_path / 'tv.pth'),
                '--to',
                'torchvision',
            ]
        )
        == 0
    )
    assert set(torch.load(tmp_path / 'tv.pth')) == set(torch.load(small))


@pytest.mark.parametrize(
    'words,expected',
    [
        (['--meta', 'method'], 'expected KEY=VALUE'),
        (['--meta', 'pretrain_epochs=many'], 'whole number'),
        (['--meta', 'metod=a'], 'Did you mean method'),
        (['--from', 'pixpo'], 'Did you mean pixpro'),
        (['--arch', 'r51'], 'unknown architecture'),
        (['--image-size', '100'], 'no position table'),
    ],
)
def test_cli_mistakes(tmp_path, capsys, small, words, expected):
    assert main(['convert', str(small), str(tmp_path / 'o'), *words]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / 'o').exists()


def test_cli_output_that_cannot_be_written(tmp_path, capsys, small):
    assert main(['convert', str(small), str(small / 'o')]) == 2
    assert 'cannot write' in capsys.readouterr().err


def test_targets_agree():
    from ssl_bench.checkpoints.export import NAMES

    assert set(command.TARGETS) == {'backbone', *NAMES}
