"""What transformers saves, against transformers itself."""

import json

import pytest
import torch
from safetensors.torch import load_file

from ssl_bench.errors import UserError

from .families import mapped_of, randomise

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
