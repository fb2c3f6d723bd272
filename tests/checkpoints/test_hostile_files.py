"""Files made to harm, and files that are no checkpoints at all."""

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from ssl_bench.checkpoints import pickle_shape
from ssl_bench.checkpoints.backbone import KEY, read_header, write_safetensors
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.reading import read_object, read_training
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from tests.checkpoints.tiny import cases, tiny


def refused(path, reader=convert):
    with pytest.raises(UserError) as caught:
        reader(path)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 1500
    return text


def repacked(tmp_path, change=None, **options):
    """A file of torch.save, its entries written again."""
    plain, path = tmp_path / 'plain.pth', tmp_path / 'c.pth'
    torch.save({'conv1.weight': torch.zeros(64, 3, 7, 7)}, plain)
    with (
        zipfile.ZipFile(plain) as old,
        zipfile.ZipFile(path, 'w', **options) as new,
    ):
        for entry in old.infolist():
            data = old.read(entry)
            if change and entry.filename.endswith('data.pkl'):
                data = change
            new.writestr(entry.filename, data)
    return path


@pytest.mark.parametrize('reader', [convert, read_object, read_training])
def test_a_bomb_is_told_by_its_directory(tmp_path, reader, monkeypatch):
    path = repacked(tmp_path, compression=zipfile.ZIP_DEFLATED)
    # nothing of it is unpacked
    monkeypatch.setattr(zipfile.ZipFile, 'open', None)
    monkeypatch.setattr(torch, 'load', None)
    text = refused(path, reader)
    assert f'has {path.stat().st_size:,} bytes and would unpack to' in text


def test_a_directory_that_declares_too_much(tmp_path):
    path = repacked(tmp_path)
    data = bytearray(path.read_bytes())
    place = data.rindex(b'PK\x01\x02')  # the size of the last entry
    data[place + 20 : place + 28] = struct.pack('<II', 1 << 30, 1 << 30)
    path.write_bytes(data)
    assert 'would unpack to 1,0' in refused(path)


@pytest.mark.parametrize(
    'names,expected',
    [
        (['a.npy'], 'numpy arrays'),
        (['m/constants.pkl', 'm/data.pkl'], 'TorchScript'),
        (['readme.txt'], 'torch.save did not write'),
    ],
)
def test_other_archives(tmp_path, names, expected):
    with zipfile.ZipFile(tmp_path / 'c.pth', 'w') as archive:
        for name in names:
            archive.writestr(name, b'x')
    assert expected in refused(tmp_path / 'c.pth')


@pytest.mark.parametrize(
    'content,expected',
    [
        (b'\0' * 257 + b'ustar' + b'\0' * 250, 'tar archive'),
        (b'\0' * 600, 'begins with zeros'),
        (b'BZh91AY', 'bunzip2'),
        (b'\x89HDF\r\n', 'HDF5'),
        (b'GGUF\3', 'GGUF'),
        (b'\xef\xbb\xbf<!DOCTYPE html>', 'it looks like a web page'),
        (b'{"a": 1}', 'it is text'),
        (b'custom_imports = 1\nmodel = dict()\n', 'it is text'),
        (b'(a, b)', 'it is text'),
        (b'[1, 2]', 'it is text'),
        (b'}', 'it is text'),
        (b'12345678{"a": 1}', 'it is text'),
        (struct.pack('<Q', 1 << 60) + b'{"a":1}', 'safetensors header would'),
        (struct.pack('<Q', 10**9) + b'{"a":1}', 'header would have 1,000,000'),
    ],
)
def test_other_files(tmp_path, content, expected):
    path = tmp_path / 'c.pth'
    path.write_bytes(content)
    assert expected in refused(path)


@pytest.mark.parametrize('place', ['pipe', '/dev/zero', '/dev/null'])
def test_what_is_not_a_file(tmp_path, capsys, place):
    if place == 'pipe':
        place = str(tmp_path / 'pipe.pth')
        os.mkfifo(place)
    for reader in (convert, read_object, read_training):
        assert 'is not a file but' in refused(place, reader)
    out = str(tmp_path / 'o')
    assert main(['convert', place, out]) == 2
    words = ['transfer', place, '--tasks', 'mini_knn', '--dry-run']
    assert main([*words, '--work-dir', out]) == 2
    assert capsys.readouterr().err.count('is not a file but') == 2


@pytest.mark.parametrize(
    'names,expected',
    [
        (['.metadata', '__0_0.distcp'], 'dcp_to_torch'),
        (['zero_to_fp32.py', 'latest'], 'zero_to_fp32.py'),
        (['a.txt', 'epoch_1.pth'], 'it holds epoch_1.pth'),
        ([], 'is a folder'),
    ],
)
def test_folders(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).touch()
    assert expected in refused(tmp_path)


PICKLES = {
    'nested': b'\x80\x02})' + b'\x85' * 300 + b'K\x01s.',
    'each level twice': b'\x80\x02}K\x01' + b'q\0h\0\x86' * 40 + b'K\x01s.',
    'memo': b'\x80\x02}r\xff\xff\xff\x7f.',
    'long': b'\x80\x04\x8e' + struct.pack('<Q', 1 << 40) + b'.',
    'text': b'\x80\x04\x8d' + struct.pack('<Q', 1 << 62) + b'.',
    'endless': b'\x80\x02' + b']' * 99,
}


@pytest.mark.parametrize('case', PICKLES)
@pytest.mark.parametrize('kind', ['zip', 'pickle'])
def test_pickles_that_stop_a_process(tmp_path, case, kind):
    path = tmp_path / 'c.pkl'
    if kind == 'zip':
        path = repacked(tmp_path, PICKLES[case])
    else:
        path.write_bytes(PICKLES[case])
    text = refused(path)
    words = 'than any checkpoint needs', 'cut short', 'more memory than this'
    assert any(word in text for word in words)


def test_honest_pickles_are_measured_right():
    import random

    deep = ()
    for _ in range(50):
        deep = (deep, 1)
    shared = (1, 2, 3)
    content = {
        'state': random.getstate(),
        'deep': deep,
        (shared, shared): [{'a': {shared: [shared] * 9}}],
        'set': {1, 2},
        'many': list(range(3000)),
    }
    for protocol in range(5):
        stream = io.BytesIO(pickle.dumps(content, protocol) + b'rest')
        pickle_shape.measure(stream)
        assert stream.read() == b'rest'


def test_one_number_seen_many_times(tmp_path):
    path = tmp_path / 'c.pth'
    state = tiny()
    state['layer4.1.conv2.weight'] = torch.ones(()).expand(1 << 20, 1 << 20)
    torch.save(state, path)
    assert path.stat().st_size < 500_000
    assert 'most of them repeat one number' in refused(path)


def test_float8_is_measured_as_what_it_becomes(tmp_path):
    path = tmp_path / 'c.pth'
    one = torch.ones(()).to(torch.float8_e4m3fn)
    torch.save({**tiny(), 'layer1.x': one.expand(1 << 15, 1 << 15)}, path)
    text = refused(path)
    assert 'would take 4,29' in text and 'repeat one number' in text


def test_an_array_has_no_more_values_than_its_pickle(tmp_path):
    class Array:
        def __reduce__(self):
            return np.ndarray, ((1, 5_000_000, 192),)

    path = tmp_path / 'c.pkl'
    state = {name: tensor.numpy() for name, tensor in tiny().items()}
    path.write_bytes(pickle.dumps({'model': {**state, 'pos_embed': Array()}}))
    assert read_object(path)['model'].keys() == {*state, 'pos_embed'}
    assert not isinstance(read_object(path)['model']['pos_embed'], np.ndarray)


def test_more_memory_than_there_is(tmp_path):
    path = tmp_path / 'c.pth'
    torch.save(
        {'w': torch.zeros(9408)}, path, _use_new_zipfile_serialization=False
    )
    data = path.read_bytes()
    place = data.index(b'M' + struct.pack('<H', 9408))
    huge = b'\x8a\x07' + struct.pack('<Q', 1 << 50)[:7]
    path.write_bytes(data[:place] + huge + data[place + 3 :])
    assert 'more memory than this machine has' in refused(path)


def test_names_cannot_write_to_the_terminal(tmp_path):
    path = tmp_path / 'c.pth'
    torch.save({**tiny(), '\x1b[2Jx\ny': torch.ones(2)}, path)
    assert '\\x1b[2Jx' in refused(path)
    torch.save({'\x1b[2J' * 99: 1}, path)
    assert 'only: \\x1b[2J' in refused(path)


def test_a_header_is_cut_and_made_printable(tmp_path):
    path = tmp_path / 'c.backbone.safetensors'
    fields = dict(
        format='ssl_bench.backbone/2',
        method='M\x1b[2J' * 9999,
        arch='r',
        arch_args={},
        departures=['x'] * 9999,
        deep=eval('[' * 90 + ']' * 90),
    )
    write_safetensors(path, tiny(), {KEY: json.dumps(fields)})
    found = read_header(path)
    assert found['method'].startswith('M\\x1b[2J')
    assert len(json.dumps(found)) < 20_000
    pipe = tmp_path / 'p.backbone.safetensors'
    os.mkfifo(pipe)
    assert 'is not a file but' in refused(pipe, read_header)
    for wrong in (
        dict(arch=3),
        dict(arch_args=[1]),
        dict(method=[2]),
        dict(pretrain_epochs='many'),
        dict(arch_args=dict(family='vit', heads='x')),
        dict(cost='much'),
        dict(cost=dict(train_seconds=-1)),
        dict(cost=dict(world_size=1.5)),
    ):
        text = json.dumps(dict(fields, **wrong))
        write_safetensors(path, tiny(), {KEY: text})
        assert 'header of a backbone file is damaged' in refused(path)


def test_numbers_and_texts_of_others(tmp_path):
    """Of an epoch with 400 digits, and configs that nest."""
    path, out = tmp_path / 'c.pth', str(tmp_path / 'o.backbone.safetensors')
    meta = dict(mmengine_version='1', epoch=10**400)
    for cfg in ('a = ' + '[' * 9999, 'a = ' + '-' * 99999 + '1', 'x' * 9):
        torch.save(
            dict(meta=dict(meta, cfg=cfg), state_dict=backbone_of()), path
        )
        assert convert(path)[0].meta['pretrain_epochs'] is None
        assert main(['convert', str(path), out, '--force']) == 0


def backbone_of():
    return {f'backbone.{name}': tensor for name, tensor in tiny().items()}


def test_two_names_for_one_tensor(tmp_path):
    path = tmp_path / 'c.pth'
    state = tiny()
    state['module.conv1.weight'] = state['conv1.weight'] + 1
    torch.save(state, path)
    assert 'holds conv1.weight twice' in refused(path)


def test_odd_contents_are_named():
    for content, expected in (
        ({'state': {}, 'param_groups': []}, 'state of an optimizer'),
        ({'a': [1], 3: 4}, 'only: a, 3'),
        (dict(model=None), 'only: model'),
    ):
        with pytest.raises(UserError, match=expected):
            unwrap(content, 'f')


def test_every_oddity_is_read_whole_or_refused(monkeypatch):
    """250 mutated contents of files: right tensors, or one line."""
    from ssl_bench.checkpoints import convert as module

    read = 0
    monkeypatch.setattr(module, 'file_sha256', lambda path: '0' * 64)
    for number, state, content in cases(250):
        monkeypatch.setattr(module, 'read_object', lambda *a, c=content: c)
        try:
            backbone, report = convert('c.pth')
        except UserError as error:
            assert str(error).isprintable(), number
            continue
        assert report.complete
        for name, tensor in backbone.state.items():
            assert torch.equal(tensor, state[name]), (number, name)
        read += 1
    assert 30 < read < 120
