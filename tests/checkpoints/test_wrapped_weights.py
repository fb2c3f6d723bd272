"""Weights in what people's programs put around them."""

import json

import pytest
import torch

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.names import from_ours
from ssl_bench.checkpoints.reading import file_sha256
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.transfer.source import open_source
from tests.checkpoints.tiny import tiny, under

STATE = tiny()
OTHER = tiny(seed=1)
MOCO = {**under('encoder_q.', STATE), **under('encoder_k.', OTHER)}


def saved(tmp_path, content):
    torch.save(content, tmp_path / 'c.pth')
    return tmp_path / 'c.pth'


def equal(backbone, state):
    assert set(backbone.state) == set(state)
    for name, tensor in state.items():
        assert torch.equal(backbone.state[name], tensor), name


CONTENTS = {
    'DeepSpeed': dict(module=under('backbone.', STATE), ds_version='0.14'),
    'net': dict(net=under('module.', STATE), acc=91.2),
    'encoder': dict(encoder=STATE, projector={'0.weight': torch.ones(2)}),
    'teacher': dict(teacher=under('backbone.', STATE)),
    'student': dict(student=under('module.backbone.', STATE)),
    'own key': dict(weights_of_mine=STATE),
    'two levels': dict(model=dict(state_dict=STATE, epoch=3)),
    'averaged': dict(ema=dict(module=under('module.', STATE), decay=0.9)),
    'module twice': dict(state_dict=under('module.module.', STATE)),
    'compiled inside': dict(state_dict=under('backbone._orig_mod.', STATE)),
    'FSDP': under('_fsdp_wrapped_module.', STATE),
    'FSDP inside': {
        name.replace('layer1.', 'layer1._fsdp_wrapped_module.'): tensor
        for name, tensor in STATE.items()
    },
    'Lightning': {
        'state_dict': under('model.backbone.', STATE),
        'pytorch-lightning_version': '2',
    },
    'method as a part': dict(state_dict=under('model.', MOCO)),
}


@pytest.mark.parametrize('case', CONTENTS)
def test_wrappers(tmp_path, case):
    equal(convert(saved(tmp_path, CONTENTS[case]))[0], STATE)


@pytest.mark.parametrize(
    'trained,copy',
    [
        ('state_dict', 'state_dict_ema'),
        ('model', 'model_ema'),
        ('encoder', 'target_encoder'),
        ('student', 'teacher'),
    ],
)
def test_the_other_copy_is_mentioned(tmp_path, trained, copy):
    """The authors evaluate the copy; the user may say otherwise."""
    path = saved(tmp_path, {copy: OTHER, trained: STATE})
    backbone, report = convert(path)
    equal(backbone, OTHER)
    said = f'taken: {copy}; the file also has {trained} (--branch online'
    assert said in report.summary()
    assert said in backbone.meta['sources']['tensors']
    backbone, report = convert(path, branch='online')
    equal(backbone, STATE)
    said = f'taken: {trained}; the file also has {copy} (--branch target'
    assert said in report.summary()
    backbone, report = convert(path, branch='target')
    equal(backbone, OTHER)


@pytest.mark.parametrize(
    'trained,copy',
    [
        ('base_encoder', 'momentum_encoder'),
        ('online_encoder', 'target_encoder'),
        ('online_network', 'target_network'),
    ],
)
def test_whose_authors_evaluate_what_was_trained(tmp_path, trained, copy):
    """MoCo v3's and BYOL's."""
    path = saved(tmp_path, {copy: OTHER, trained: STATE})
    equal(convert(path)[0], STATE)
    equal(convert(path, branch='target')[0], OTHER)


def test_a_copy_never_takes_the_place_of_what_was_asked_for(tmp_path):
    broken = {k: v for k, v in STATE.items() if k != 'layer1.0.conv1.weight'}
    path = saved(tmp_path, dict(state_dict=broken, state_dict_ema=OTHER))
    with pytest.raises(UserError):
        convert(path, branch='online')
    equal(convert(path)[0], OTHER)


def test_a_part_is_chosen_by_its_key(tmp_path):
    path = saved(tmp_path, dict(a=STATE, b=under('net.', OTHER)))
    with pytest.raises(UserError, match='--prefix a. or --prefix b.net.'):
        convert(path)
    equal(convert(path, prefix='a.')[0], STATE)
    equal(convert(path, prefix='b.net.')[0], OTHER)


def test_float8_is_read_as_float32(tmp_path):
    eight = {
        name: t.to(torch.float8_e4m3fn) if t.ndim == 4 else t
        for name, t in STATE.items()
    }
    backbone, report = convert(saved(tmp_path, eight))
    equal(backbone, {name: t.float() for name, t in eight.items()})
    assert '20 tensors of float8_e4m3fn were read as float32' in (
        report.summary()
    )


@pytest.mark.parametrize(
    'change,expected',
    [
        (lambda t: t.to(torch.int8), 'is of type int8: quantised'),
        (lambda t: t.to('meta'), 'a shape without values'),
        (lambda t: t.to_sparse(), 'is sparse'),
        (lambda t: t.to(torch.complex64), 'of complex numbers'),
        (
            lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
            'is quantised',
        ),
    ],
)
@pytest.mark.filterwarnings('ignore')
def test_types_without_floats(tmp_path, change, expected):
    state = dict(STATE)
    state['conv1.weight'] = change(state['conv1.weight'])
    with pytest.raises(UserError, match=expected):
        convert(saved(tmp_path, state))


def test_zero_3_leaves_names_alone(tmp_path):
    empty = {name: torch.empty(0) for name in STATE}
    with pytest.raises(UserError, match='zero_to_fp32'):
        convert(saved(tmp_path, dict(module=empty)))


def sharded(folder, state, suffix):
    """A folder as transformers saves it, in two parts."""
    names = sorted(state)
    parts = {
        f'{suffix[0]}-0000{i + 1}-of-00002{suffix[1]}': names[i::2]
        for i in range(2)
    }
    index = {name: file for file, held in parts.items() for name in held}
    for file, held in parts.items():
        part = {name: state[name] for name in held}
        if suffix[1] == '.bin':
            torch.save(part, folder / file)
        else:
            from safetensors.torch import save_file

            save_file(part, folder / file, {'format': 'pt'})
    path = folder / f'{suffix[0]}{suffix[1]}.index.json'
    path.write_text(json.dumps(dict(metadata={}, weight_map=index)))
    return path


@pytest.mark.parametrize(
    'suffix', [('model', '.safetensors'), ('pytorch_model', '.bin')]
)
def test_parts_of_transformers(tmp_path, suffix):
    state = from_ours(STATE, 'hf_resnet')
    index = sharded(tmp_path, state, suffix)
    part = tmp_path / f'{suffix[0]}-00002-of-00002{suffix[1]}'
    for place in (tmp_path, index, part):
        equal(convert(place)[0], STATE)
    before = file_sha256(tmp_path)
    assert before == file_sha256(part)
    found = open_source(tmp_path, tmp_path / 'w')
    assert found.checkpoint_sha256 == before
    index.rename(tmp_path / 'kept')
    with pytest.raises(UserError, match='is part 2 of 2, and .* is not next'):
        convert(part)
    (tmp_path / 'kept').rename(index)
    part.unlink()
    with pytest.raises(UserError, match='names 2 parts, and 1 of them'):
        convert(tmp_path)


@pytest.mark.parametrize(
    'text,expected',
    [
        ('{"weight_map": {"a": "../x.safetensors"}}', 'not a file next to it'),
        ('{"weight_map": {"a": "/etc/passwd"}}', 'not a file next to it'),
        ('{"weight_map": {"a": 3}}', 'not an index'),
        ('[' * 100_000, 'not an index'),
        ('[]', 'not an index'),
    ],
)
def test_indices_that_lead_elsewhere(tmp_path, text, expected):
    (tmp_path / 'model.safetensors.index.json').write_text(text)
    with pytest.raises(UserError, match=expected):
        convert(tmp_path)


def test_an_index_that_lies(tmp_path):
    index = sharded(tmp_path, STATE, ('model', '.safetensors'))
    content = json.loads(index.read_text())
    content['weight_map']['more'] = content['weight_map']['conv1.weight']
    index.write_text(json.dumps(content))
    with pytest.raises(UserError, match='lacks 1 tensors .* is more'):
        convert(tmp_path)


VIT = tiny('vit')
# extra tensors; what the message says of the file; of the tensor
FOREIGN = {
    'DINOv3': (
        {'storage_tokens': (1, 4, 16), 'rope_embed.periods': (4,)},
        'a DINOv3 ViT of width 16',
    ),
    'register': ({'register_tokens': (1, 4, 16)}, 'a DINOv2 ViT of width 16'),
    'rotary': ({'rope.freqs_cos': (4, 4)}, 'rotary .*rope.freqs_cos'),
    'gated': (
        {'blocks.0.mlp.w12.weight': (8, 16)},
        'a DINOv2 ViT of width 16',
    ),
    'CLIP': ({'norm_pre.weight': (16,)}, 'CLIP.*norm_pre.weight'),
    'DeiT': ({'dist_token': (1, 1, 16)}, 'DeiT.*dist_token'),
}


@pytest.mark.parametrize('what', FOREIGN)
def test_parts_of_an_encoder_cannot_be_left_aside(tmp_path, what):
    """Without them the network computes something else."""
    shapes, expected = FOREIGN[what]
    extra = {name: torch.ones(shape) for name, shape in shapes.items()}
    path = saved(tmp_path, {**VIT, **extra})
    with pytest.raises(UserError, match=expected):
        convert(path)
    with pytest.raises(UserError, match='the encoder computes with it'):
        convert(path, drop=list(extra))


def test_a_vit_without_positions(tmp_path):
    state = {k: v for k, v in VIT.items() if k != 'pos_embed'}
    with pytest.raises(UserError, match='no position table'):
        convert(saved(tmp_path, state))


def test_advice_is_of_what_can_be_left_aside(tmp_path):
    path = saved(tmp_path, {**VIT, 'attn_pool.latent': torch.ones(2)})
    with pytest.raises(UserError, match='--drop attn_pool'):
        convert(path)
    equal(convert(path, drop=['attn_pool'])[0], VIT)


def test_keys_without_values_are_not_lost(tmp_path):
    """Query, key and value are joined if all three are there."""
    state = from_ours(VIT, 'hf_vit')
    equal(convert(saved(tmp_path, state))[0], VIT)
    for block in range(2):
        del state[f'encoder.layer.{block}.attention.attention.key.bias']
    with pytest.raises(UserError, match='blocks.0.attn.q.bias'):
        convert(saved(tmp_path, state))


@pytest.mark.parametrize('source', ['{}', 'supervised={}', 'file'])
def test_nan_is_refused_in_transfers(tmp_path, capsys, source):
    state = {k: v.clone() for k, v in STATE.items()}
    state['bn1.running_var'][0] = float('nan')
    path = saved(tmp_path, state)
    out = str(tmp_path / 'o.backbone.safetensors')
    if source == 'file':
        assert main(['convert', str(path), out]) == 2
        assert main(['convert', str(path), out, '--allow-nan']) == 0
        assert 'warning: 1 NaN or inf' in capsys.readouterr().out
        source = out
    words = ['transfer', source.format(path), '--tasks', 'mini_knn']
    assert main([*words, '--work-dir', str(tmp_path), '--dry-run']) == 2
    error = capsys.readouterr().err
    assert '1 NaN or infinite values in 1 of 100' in error
    assert 'first is bn1.running_var' in error and '--allow-nan' in error
    place = source.format(path)
    assert open_source(place, tmp_path, allow_nan=True).arch == 'resnet18-w4'


def test_what_was_written_is_read_back(tmp_path, monkeypatch):
    from ssl_bench.checkpoints import backbone, export

    found, _ = convert(saved(tmp_path, STATE))
    real = backbone._bytes
    count = iter(range(10**9))
    # every second look is at what was read back
    monkeypatch.setattr(
        backbone, '_bytes', lambda t: real(t if next(count) % 2 else t + 1)
    )
    # the targets that have a network of this width
    for target in ('backbone', 'mmdet', 'mmseg', 'mmpretrain', 'hf'):
        with pytest.raises(UserError, match='reads back otherwise'):
            export.export(tmp_path / 'out', found, target)
        assert not (tmp_path / 'out').is_file()
