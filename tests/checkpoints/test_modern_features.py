"""Features of converted files against transformers' models of the same kind.

transformers' classes were written by others from the papers: their weights
are given the official programs' names, converted, and both networks see the
same images. Every tensor is random, norms and layer scales too.
"""

import re

import pytest
import torch

from ssl_bench.checkpoints.architectures import architecture_of
from ssl_bench.checkpoints.convert import convert

transformers = pytest.importorskip('transformers')
# the names in memory, of transformers 5 and of the one before
COMMON = (
    (r'embeddings\.(cls_token|mask_token)', r'\1'),
    (r'embeddings\.position_embeddings', 'pos_embed'),
    (
        r'embeddings\.patch_embeddings\.(projection\.)?(weight|bias)',
        r'patch_embed.proj.\2',
    ),
    (r'^(encoder\.|model\.)?layers?\.(\d+)\.', r'blocks.\2.'),
    (r'attention\.attention\.(q|k|v)(uery|ey|alue)\.', r'attn.\1.'),
    (r'attention\.([qkv])_proj\.', r'attn.\1.'),
    (r'attention\.(output\.dense|o_proj)\.', 'attn.proj.'),
    (r'layernorm_before\.', 'norm1.'),
    (r'layernorm_after\.', 'norm2.'),
    (r'layer_scale(\d)\.lambda1', r'ls\1.gamma'),
    (r'lambda_(\d)', r'gamma_\1'),
    (r'intermediate\.dense\.', 'mlp.fc1.'),
    (r'(blocks\.\d+\.)output\.dense\.', r'\1mlp.fc2.'),
    (r'^layernorm\.', 'norm.'),
    (r'^(encoder\.relative|shared)_position_bias\.', 'rel_pos_bias.'),
)
DINOV2 = (
    (r'embeddings\.register_tokens', 'register_tokens'),
    (r'mlp\.(weights_in|gate_proj)\.', 'mlp.gate.'),
    (r'mlp\.up_proj\.', 'mlp.up.'),
    (r'mlp\.(weights_out|down_proj)\.', 'mlp.w3.'),
    *COMMON,
)
PLAIN = ((r'mlp\.up_proj\.', 'mlp.fc1.'), (r'mlp\.down_proj\.', 'mlp.fc2.'))
GATED = (
    (r'mlp\.gate_proj\.', 'mlp.w1.'),
    (r'mlp\.up_proj\.', 'mlp.w2.'),
    (r'mlp\.down_proj\.', 'mlp.w3.'),
)
DINOV3 = ((r'embeddings\.register_tokens', 'storage_tokens'), *COMMON)


def randomised(model, scale=0.1):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            one = tensor.ndim == 1 and re.search(r'norm\w*\.weight', name)
            tensor.copy_(noise * scale + (1 if one else 0))
    return model.eval()


def renamed(state, table):
    found = {}
    for name, tensor in state.items():
        for pattern, new in table:
            name = re.sub(pattern, new, name)
        found[name] = tensor.detach().clone()
    return found


def fused(state, key_bias=None):
    """Query, key and value in one tensor, as the official programs do it."""
    state, found = dict(state), {}
    for name, tensor in state.items():
        match = re.match(r'(.*)\.(q|k|v|gate|up)\.(\w+)\Z', name)
        if not match:
            found[name] = tensor
            continue
        parts, new = ('q', 'k', 'v'), 'qkv'
        if match[2] in ('gate', 'up'):
            parts, new = ('gate', 'up'), 'w12'
        if match[2] == parts[0]:
            held = [
                state.get(f'{match[1]}.{part}.{match[3]}', key_bias)
                for part in parts
            ]
            found[f'{match[1]}.{new}.{match[3]}'] = torch.cat(held)
    return found


def built(tmp_path, content, images):
    """timm's network with a file's weights, and its tokens."""
    torch.save(content, tmp_path / 'c.pth')
    backbone, _ = convert(tmp_path / 'c.pth')
    net = architecture_of(backbone)
    model = net.build()
    model.load_state_dict(backbone.state, strict=True)
    with torch.no_grad():
        return net, model.eval().forward_features(images)


def images(height, width):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, height, width, generator=generator)


def expect(tokens, model, batch):
    with torch.no_grad():
        wanted = model(batch).last_hidden_state
    assert wanted.abs().max() > 1
    torch.testing.assert_close(tokens, wanted, rtol=0, atol=1e-5)


def dinov2(name='Dinov2', **more):
    config = getattr(transformers, f'{name}Config')(
        num_hidden_layers=2, patch_size=14, image_size=56, **more
    )
    return randomised(getattr(transformers, f'{name}Model')(config))


def chunked(state):
    return {
        'backbone.' + re.sub(r'^blocks\.', 'blocks.0.', name): tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize('case', ['hub', 'registers', 'franca', 'training'])
def test_dinov2_and_franca(case, tmp_path):
    sizes = dict(hidden_size=384, num_attention_heads=6)
    if case == 'franca':
        sizes = dict(
            hidden_size=768, num_attention_heads=12, use_swiglu_ffn=True
        )
    kind = 'Dinov2WithRegisters' if case == 'registers' else 'Dinov2'
    model = dinov2(kind, **sizes)
    state = fused(renamed(model.state_dict(), DINOV2))
    if case in ('franca', 'training'):
        state = dict(teacher=chunked(state))
    net, tokens = built(tmp_path, state, images(56, 56))
    expect(tokens, model, images(56, 56))
    assert net.positions == ('timm' if case == 'registers' else 'dino')


@pytest.mark.parametrize('width', [384, 1280])
def test_ijepa(width, tmp_path):
    config = transformers.IJepaConfig(
        hidden_size=width,
        num_hidden_layers=1,
        num_attention_heads={384: 6, 1280: 16}[width],
        intermediate_size=4 * width,
        patch_size=14 if width == 1280 else 16,
        image_size=56 if width == 1280 else 64,
        layer_norm_eps=1e-6,
    )
    model = randomised(
        transformers.IJepaModel(config, add_pooling_layer=False), 0.03
    )
    state = fused(renamed(model.state_dict(), DINOV2))
    state.pop('mask_token', None)
    other = {name: tensor * 0 for name, tensor in state.items()}
    content = dict(
        encoder={f'module.{n}': t for n, t in other.items()},
        target_encoder={f'module.{n}': t for n, t in state.items()},
    )
    side = config.image_size
    net, tokens = built(tmp_path, content, images(side, side))
    expect(tokens, model, images(side, side))
    assert net.positions == 'fixed'


@pytest.mark.parametrize('gated', [False, True])
@pytest.mark.parametrize('biased', [False, True])
def test_dinov3(gated, biased, tmp_path):
    """Rotary positions, registers, and a key's bias that never counts."""
    config = transformers.DINOv3ViTConfig(
        hidden_size=384,
        num_hidden_layers=2,
        num_attention_heads=6,
        intermediate_size=1536,
        num_register_tokens=4,
        use_gated_mlp=gated,
        hidden_act='silu' if gated else 'gelu',
        patch_size=16,
        image_size=64,
    )
    model = randomised(transformers.DINOv3ViTModel(config))
    if not biased:
        for name, tensor in model.named_parameters():
            if re.search(r'[qv]_proj\.bias', name):
                tensor.data.zero_()
    table = (*(GATED if gated else PLAIN), *DINOV3)
    state = fused(renamed(model.state_dict(), table), torch.ones(384))
    mask = torch.ones(3, 384)
    mask[1] = 0
    for block in range(2):
        state[f'blocks.{block}.attn.qkv.bias_mask'] = mask.flatten()
    state['rope_embed.periods'] = 100.0 ** (torch.arange(16) / 16)
    batch = images(64, 96)
    net, tokens = built(tmp_path, state, batch)
    expect(tokens, model, batch)
    plus = 'small_plus' if gated else 'small'
    tail = '_qkvb' if biased else ''
    assert net.model == f'vit_{plus}_patch16_dinov3{tail}'
    assert 'rope_periods' not in net.kwargs


@pytest.mark.parametrize('kind', ['Beit', 'Data2VecVision'])
def test_beit_and_data2vec(kind, tmp_path):
    """One shared table of relative positions."""
    config = getattr(transformers, f'{kind}Config')(
        hidden_size=768,
        num_hidden_layers=2,
        num_attention_heads=12,
        intermediate_size=3072,
        image_size=64,
        patch_size=16,
        use_mask_token=True,
        use_shared_relative_position_bias=True,
        use_relative_position_bias=False,
        use_absolute_position_embeddings=False,
        use_mean_pooling=False,
        layer_scale_init_value=0.1,
        layer_norm_eps=1e-6,
    )
    model = randomised(
        getattr(transformers, f'{kind}Model')(config, add_pooling_layer=False)
    )
    content, rest = {}, {}
    for name, tensor in renamed(model.state_dict(), COMMON).items():
        bias = re.match(r'(.*\.attn\.[qv])\.bias\Z', name)
        if bias:
            content[f'{bias[1]}_bias'] = tensor
        else:
            rest[name] = tensor
    content.update(fused(rest))
    net, tokens = built(tmp_path, dict(model=content, epoch=9), images(64, 64))
    expect(tokens, model, images(64, 64))
    assert net.kwargs['global_pool'] == 'token'
