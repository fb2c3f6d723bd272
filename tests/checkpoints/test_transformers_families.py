"""What transformers saves, against transformers itself."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from tests import modern

from .families import mapped_of, randomise, shapes_agree

transformers = pytest.importorskip('transformers')
VIT = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=56,
    patch_size=14,
)
NETS = dict(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 2, 1])
MLP = dict(intermediate_size=48)
# model class, config class, settings, family, position rule, timm's name
CASES = [
    ('Dinov2Model', 'Dinov2Config', VIT, 'hf_dinov2', 'transformers'),
    (
        'Dinov2ForImageClassification',
        'Dinov2Config',
        VIT | dict(use_swiglu_ffn=True, layer_norm_eps=1e-3),
        'hf_dinov2',
        'transformers',
    ),
    (
        'Dinov2WithRegistersModel',
        'Dinov2WithRegistersConfig',
        VIT | dict(num_register_tokens=3),
        'hf_dinov2',
        'timm',
    ),
    (
        'DINOv3ViTModel',
        'DINOv3ViTConfig',
        VIT | MLP | dict(num_register_tokens=4, rope_theta=50.0),
        'hf_dinov3',
        'none',
    ),
    (
        'DINOv3ViTModel',
        'DINOv3ViTConfig',
        VIT
        | MLP
        | dict(use_gated_mlp=True, hidden_act='silu', patch_size=8)
        | dict(query_bias=False, value_bias=False),
        'hf_dinov3',
        'none',
    ),
    ('IJepaModel', 'IJepaConfig', VIT | MLP, 'hf_ijepa', 'fixed'),
    ('ConvNextV2Model', 'ConvNextV2Config', NETS, 'hf_convnext', 'none'),
    (
        'ConvNextV2ForImageClassification',
        'ConvNextV2Config',
        dict(hidden_sizes=[40, 80, 160, 320], depths=[2, 2, 6, 2]),
        'hf_convnext',
        'none',
    ),
    ('ConvNextModel', 'ConvNextConfig', NETS, 'hf_convnext', 'none'),
    (
        'DINOv3ConvNextModel',
        'DINOv3ConvNextConfig',
        NETS,
        'hf_dinov3_convnext',
        'none',
    ),
]


def built(model, config, settings, seed=0):
    made = getattr(transformers, config)(**settings)
    return randomise(getattr(transformers, model)(made), seed)


def saved(model, folder):
    """The names and the config of a folder."""
    model.save_pretrained(folder)
    config = json.loads((folder / 'config.json').read_text())
    return load_file(folder / 'model.safetensors'), config


@torch.no_grad()
def tokens_or_map(model, images):
    """Final tokens (B, N, C), or map and pooled features of a ConvNet."""
    inner = model
    if 'For' in type(model).__name__:
        inner = getattr(model, model.base_model_prefix)
    found = inner(images)
    if isinstance(inner, transformers.DINOv3ConvNextModel):
        return None, found.pooler_output
    if found.last_hidden_state.ndim == 4:
        return found.last_hidden_state, found.pooler_output
    return found.last_hidden_state, None


@torch.no_grad()
def of_timm(net, images):
    found = net.forward_features(images)
    if found.ndim == 4:
        return found, net.forward_head(found, pre_logits=True)
    return found, None


@pytest.mark.parametrize('case', CASES, ids=lambda case: case[0])
def test_features_are_those_of_transformers(case, tmp_path):
    model, config, settings, family, rule = case
    model = built(model, config, settings)
    state, config = saved(model, tmp_path)
    row, answer, net = mapped_of(state, config=config)
    assert (row.name, answer.net.positions) == (family, rule)
    side = settings.get('image_size', 64)
    images = torch.rand(2, 3, side, side)
    wanted, wanted_pooled = tokens_or_map(model, images)
    found, pooled = of_timm(net, images)
    if wanted is not None:
        assert torch.allclose(found, wanted, atol=1e-5)
    if pooled is not None:
        assert torch.allclose(pooled, wanted_pooled, atol=1e-5)


# of ConvNextV2 and ConvNext the names are the same
IN_MEMORY = [case for case in CASES if not case[0].startswith('ConvN')]


@pytest.mark.parametrize('case', IN_MEMORY, ids=lambda case: case[0])
def test_names_in_memory_give_the_same_as_those_in_a_file(case, tmp_path):
    model, config, settings, family, _ = case
    model = built(model, config, settings)
    state, config = saved(model, tmp_path)
    _, wanted, _ = mapped_of(state, config=config)
    row, found, _ = mapped_of(model.state_dict(), config=config)
    assert row.name == family
    assert found.net == wanted.net
    assert all(
        torch.equal(found.state[name], tensor)
        for name, tensor in wanted.state.items()
    )


OFFICIAL = [
    ('hf_dinov2_small', 'dinov2', 'vit_small_patch14_dinov2', {}),
    (
        'hf_dinov2_with_registers_small',
        'dinov2_with_registers',
        'vit_small_patch14_reg4_dinov2',
        {},
    ),
    (
        'hf_dinov3_vits16',
        'dinov3_vit',
        'vit_small_patch16_dinov3_qkvb',
        dict(patch_size=16, layer_norm_eps=1e-5, rope_theta=100.0),
    ),
    (
        'hf_dinov3_vits16plus_like',
        'dinov3_vit',
        'vit_small_plus_patch16_dinov3_qkvb',
        dict(patch_size=16, layer_norm_eps=1e-5, rope_theta=100.0)
        | dict(hidden_act='silu'),
    ),
    (
        'hf_dinov2_giant_one_block',
        'dinov2',
        'vit_giant_patch14_dinov2(depth=1,embed_dim=1536,'
        'mlp_ratio=5.333658854166667,num_heads=24)',
        dict(hidden_size=1536, num_hidden_layers=1, num_attention_heads=24),
    ),
    (
        'hf_ijepa_small_like',
        'ijepa',
        'vit_small_patch16_224(class_token=False,fc_norm=False,'
        'global_pool=avg,norm_eps=1e-12)',
        dict(patch_size=16, image_size=224, layer_norm_eps=1e-12),
    ),
    ('hf_convnextv2_atto', 'convnextv2', 'convnextv2_atto', {}),
    ('hf_dinov3_convnext_tiny', 'dinov3_convnext', 'convnext_tiny', {}),
]


@pytest.mark.parametrize('case', OFFICIAL, ids=lambda case: case[0])
def test_official_lists_are_timms_own_names(case):
    name, kind, arch, more = case
    config = dict(
        model_type=kind,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        patch_size=14,
        image_size=518,
        layer_norm_eps=1e-6,
    )
    net = shapes_agree(modern.expanded(name), config=config | more)
    assert net.name == arch


def test_a_folder_says_heads_epsilon_and_image_statistics():
    model = built(
        'Dinov2Model', 'Dinov2Config', VIT | dict(layer_norm_eps=1e-4)
    )
    config = model.config.to_dict()
    config |= dict(image_mean=[0.4, 0.5, 0.6], image_std=[0.1, 0.2, 0.3])
    _, answer, _ = mapped_of(model.state_dict(), config=config)
    assert answer.net.kwargs['num_heads'] == 4
    assert answer.net.kwargs['norm_eps'] == 1e-4
    assert answer.net.mean == (0.4, 0.5, 0.6)
    assert answer.net.std == (0.1, 0.2, 0.3)


WRONG = [
    (dict(), 'no config.json next to it'),
    (dict(model_type='vit'), "model_type 'vit'"),
    (dict(num_attention_heads=5), '5 heads, which do not divide'),
    (dict(num_attention_heads=0), 'num_attention_heads 0'),
    (dict(num_attention_heads='4'), "num_attention_heads '4'"),
    (dict(hidden_size=64), 'hidden_size 64, and the tensors have 32'),
    (dict(patch_size=16), 'patch_size 16, and the tensors have 14'),
    (dict(image_size=70), 'image_size [70, 70], which has 25 patches'),
    (dict(hidden_act='relu'), "hidden_act 'relu'"),
    (dict(layer_norm_eps=None), 'layer_norm_eps None'),
]


@pytest.mark.parametrize(('change', 'said'), WRONG)
def test_a_config_that_contradicts_the_tensors_is_refused(change, said):
    model = built('Dinov2Model', 'Dinov2Config', VIT)
    config = model.config.to_dict() | change if change else {}
    with pytest.raises(UserError) as caught:
        mapped_of(model.state_dict(), config=config)
    assert said in str(caught.value)
    assert '\n' not in str(caught.value)


def test_dinov3_without_its_rotary_settings_is_refused():
    case = CASES[3]
    model = built(*case[:3])
    config = model.config.to_dict()
    config.pop('rope_theta')
    config.pop('rope_parameters', None)
    with pytest.raises(UserError, match='does not say rope_theta'):
        mapped_of(model.state_dict(), config=config)


@pytest.mark.parametrize(
    'lost',
    [
        'encoder.layer.1.attention.attention.key.weight',
        'embeddings.position_embeddings',
        'embeddings.patch_embeddings.projection.weight',
        'encoder.layer.0.mlp.fc2.weight',
    ],
)
def test_a_lost_tensor_is_named(lost, tmp_path):
    model = built('Dinov2Model', 'Dinov2Config', VIT)
    state, config = saved(model, tmp_path)
    del state[lost]
    with pytest.raises(UserError):
        mapped_of(state, config=config)


@pytest.fixture
def sharded(tmp_path):
    model = built('Dinov2Model', 'Dinov2Config', VIT)
    folder = tmp_path / 'sharded'
    model.save_pretrained(folder, max_shard_size='40KB')
    parts = sorted(folder.glob('*-of-*'))
    assert len(parts) > 2
    return folder, parts


def test_a_folder_its_index_and_any_part_are_the_same(sharded):
    folder, parts = sharded
    places = [folder, folder / 'model.safetensors.index.json', *parts]
    found = [convert(place)[0] for place in places]
    assert {backbone.arch for backbone in found} == {found[0].arch}
    assert len({backbone.meta['source_sha256'] for backbone in found}) == 1
    for backbone in found[1:]:
        assert backbone.state.keys() == found[0].state.keys()


def test_broken_folders_are_one_line(sharded, tmp_path, capsys):
    folder, parts = sharded

    def said(place):
        assert main(['convert', str(place), str(tmp_path / 'out.st')]) == 2
        text = capsys.readouterr().err.strip()
        assert len(text.splitlines()) == 1
        return text

    index = folder / 'model.safetensors.index.json'
    kept, first = index.read_text(), parts[0].read_bytes()
    parts[0].write_bytes(first[:-64])
    assert 'cut short' in said(folder)
    parts[0].unlink()
    assert '1 of them are missing' in said(folder)
    assert '1 of them are missing' in said(parts[1])
    parts[0].write_bytes(first)
    index.write_text(kept.replace(parts[0].name, f'../{parts[0].name}'))
    assert 'not a file next to it' in said(folder)
    index.write_text(kept)
    config = (folder / 'config.json').read_text()
    (folder / 'config.json').write_text('[]')
    assert 'not one JSON object' in said(folder)
    other = config.replace('"dinov2"', '"bert"')
    (folder / 'config.json').write_text(other)
    assert "model_type 'bert'" in said(folder)
    (folder / 'config.json').unlink()
    assert 'no config.json next to it' in said(folder)


def test_another_architecture_than_asked_for_is_one_line(sharded, capsys):
    folder, _ = sharded
    line = ['convert', str(folder), 'out.st', '--arch', 'convnext_tiny']
    assert main(line) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert 'convnext_tiny' in said


@pytest.mark.parametrize('in_memory', [False, True])
def test_vitmae_has_the_heads_of_its_config(tmp_path, in_memory):
    more = dict(
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        layer_norm_eps=1e-6,  # as its authors; the class has 1e-12
    )
    model = built(
        'ViTMAEForPreTraining', 'ViTMAEConfig', VIT | MLP | more, seed=1
    )
    model.save_pretrained(tmp_path)
    if in_memory:
        file = tmp_path / 'model.safetensors'
        save_file(model.state_dict(), file)
    backbone, report = convert(tmp_path)
    assert report.dropped['decoder'] > 10
    net = from_header(backbone.meta['arch_args']).build()
    assert net.blocks[0].attn.num_heads == 4
    net.load_state_dict(backbone.state, strict=True)
    images = torch.rand(2, 3, 56, 56)
    model.config.mask_ratio = 0.0
    noise = torch.arange(16.0).expand(2, -1)  # patches stay in order
    with torch.no_grad():
        wanted = model.vit(images, noise=noise).last_hidden_state
        found = net.eval().forward_features(images)
    assert torch.allclose(found, wanted, atol=1e-5)


# what the plain ViT does not compute: epsilon, biases, tables, patches
STRANGE_VITS = [
    ('ViTModel', 'ViTConfig', dict(layer_norm_eps=1e-3)),
    ('ViTModel', 'ViTConfig', dict(qkv_bias=False)),
    # 4 x 6 patches and a class token are 25 rows, as 5 x 5 patches are
    ('ViTModel', 'ViTConfig', dict(image_size=(56, 84))),
    ('ViTMSNModel', 'ViTMSNConfig', dict(patch_size=8)),
    ('ViTMSNModel', 'ViTMSNConfig', dict(patch_size=8, layer_norm_eps=0.1)),
]


@pytest.mark.parametrize('case', STRANGE_VITS, ids=str)
def test_a_vit_is_what_its_config_says(case, tmp_path):
    kind, config, change = case
    model = built(kind, config, VIT | MLP | change, seed=2)
    model.save_pretrained(tmp_path)
    backbone, _ = convert(tmp_path)
    args = backbone.meta['arch_args']
    if args['family'] == 'vit':
        assert (args['heads'], args['patch']) == (4, 8)
        return
    assert args['positions'] == 'transformers'
    net = from_header(args).build()
    net.load_state_dict(backbone.state, strict=True)
    size = change.get('image_size', (56, 56))
    images = torch.rand(2, 3, *size)
    with torch.no_grad():
        wanted = model(images).last_hidden_state
        found = net.eval().forward_features(images)
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (dict(hidden_act='relu'), "hidden_act 'relu'"),
        (dict(hidden_size=64), 'hidden_size 64, and the tensors have 32'),
        (dict(num_attention_heads=5), '5 heads, which do not divide'),
        (dict(model_type='dinov2'), "model_type 'dinov2'"),
    ],
)
def test_a_vit_and_a_config_of_another_are_refused(change, said, tmp_path):
    model = built('ViTModel', 'ViTConfig', VIT | MLP)
    _, config = saved(model, tmp_path)
    (tmp_path / 'config.json').write_text(json.dumps(config | change))
    with pytest.raises(UserError) as caught:
        convert(tmp_path)
    assert said in str(caught.value)


def test_gates_of_another_function_are_refused(tmp_path):
    """timm's gated MLP has silu: gelu loads strictly, and is 0.7 off."""
    gates = MLP | dict(use_gated_mlp=True, hidden_act='gelu')
    model = built('DINOv3ViTModel', 'DINOv3ViTConfig', VIT | gates)
    _, config = saved(model, tmp_path)
    with pytest.raises(UserError, match="hidden_act 'gelu'; only 'silu'"):
        convert(tmp_path)
    config.pop('hidden_act')  # then the class has gelu
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(UserError, match="hidden_act 'gelu'; only 'silu'"):
        convert(tmp_path)


def test_a_convnext_of_three_stages_is_one_line(tmp_path):
    sizes = dict(depths=[1, 2, 1], hidden_sizes=[8, 16, 32], num_stages=3)
    built('ConvNextModel', 'ConvNextConfig', sizes).save_pretrained(tmp_path)
    with pytest.raises(UserError, match='has 4 stages, and this file has 3'):
        convert(tmp_path)


def test_a_vit_without_its_config_says_whose_heads_it_takes(tmp_path):
    tiny = dict(hidden_size=192, num_hidden_layers=12, patch_size=8)
    model = built('ViTModel', 'ViTConfig', VIT | MLP | tiny, seed=0)
    model.save_pretrained(tmp_path)
    said = 'no config.json says the heads: 3, as is usual for a width of 192'
    assert said not in convert(tmp_path)[1].notes
    (tmp_path / 'config.json').unlink()
    assert said in convert(tmp_path / 'model.safetensors')[1].notes
