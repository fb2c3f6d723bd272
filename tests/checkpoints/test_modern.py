"""Today's ViT-like containers, as their programs save them."""

import re

import pytest
import torch

from ssl_bench.checkpoints import read_backbone, write_backbone
from ssl_bench.checkpoints.architectures import architecture_of
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.position import resize_backbone
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.errors import UserError
from tests import modern
from tests.checkpoints.tiny import under

IMAGENET = (0.485, 0.456, 0.406)
DEPTH = 2  # of the blocks in a list, where it is cut


def cut(state, depth=DEPTH):
    """The first blocks, chunk by chunk: tests take seconds, names stay."""
    block = re.compile(r'(?:.*\.)?blocks\.(?:\d+\.)?(\d+)\.')
    return {
        name: tensor
        for name, tensor in state.items()
        if not (found := block.match(name)) or int(found[1]) < depth
    }


def listed(name, depth=DEPTH):
    """Tensors of an official model, the rotary settings as they are."""
    state = cut(modern.expanded(name), depth)
    for key, tensor in state.items():
        if key.endswith('rope_embed.periods'):
            count = tensor.numel()
            state[key] = 100.0 ** (torch.arange(count) / count)
        if key.endswith('.bias_mask'):
            mask = torch.ones(3, tensor.numel() // 3)
            mask[1] = 0
            state[key] = mask.flatten()
    return state


def saved(tmp_path, content, name='c.pth'):
    torch.save(content, tmp_path / name)
    return tmp_path / name


def heads(*names):
    return dict.fromkeys(names, torch.ones(1).expand(8, 8))


def flat(state):
    return dict(state)


def teacher(state):
    """A teacher of DINOv2's, DINOv3's or Franca's training."""
    if not next(iter(state)).startswith('backbone.'):
        state = under('backbone.', state)
    return dict(
        teacher={**state, **heads('dino_head.mlp.0.weight', 'ibot_head.w')}
    )


def wrong(state):
    """What must not be taken: the same names, all zero."""
    return {name: torch.zeros(()).expand(t.shape) for name, t in state.items()}


def dino(state):
    bare = {name.removeprefix('backbone.'): t for name, t in state.items()}
    bare = {n: t for n, t in bare.items() if not n.startswith('head.')}
    return dict(
        student=under(
            'module.backbone.',
            {**wrong(bare), 'masked_embed': torch.ones(1, 8)},
        ),
        teacher={
            **under('backbone.', bare),
            **heads('head.last_layer.weight_g', 'head.mlp.0.weight'),
        },
        optimizer=dict(state={}, param_groups=[]),
        epoch=100,
        dino_loss=dict(center=torch.zeros(1, 8)),
    )


def jepa(state):
    return dict(
        encoder=wrong(state),
        predictor=heads('module.predictor_blocks.0.norm1.weight'),
        target_encoder=state,
        opt=dict(state={}, param_groups=[]),
        epoch=300,
    )


# list: container, name of timm's network, what differs, method, positions
CASES = {
    'dinov2_vits14': (flat, 'vit_small_patch14_dinov2', {}, 'DINOv2', 'dino'),
    'dinov2_vitb14': (flat, 'vit_base_patch14_dinov2', {}, 'DINOv2', 'dino'),
    'dinov2_vitl14': (flat, 'vit_large_patch14_dinov2', {}, 'DINOv2', 'dino'),
    'dinov2_vitg14_one_block': (
        flat,
        'vit_giant_patch14_dinov2',
        {},
        'DINOv2',
        'dino',
    ),
    'dinov2_vits14_reg4': (
        flat,
        'vit_small_patch14_reg4_dinov2',
        {},
        'DINOv2',
        'timm',
    ),
    'dinov2_vitb14_reg4': (
        flat,
        'vit_base_patch14_reg4_dinov2',
        {},
        'DINOv2',
        'timm',
    ),
    'dinov2_vitg14_reg4_one_block': (
        flat,
        'vit_giant_patch14_reg4_dinov2',
        {},
        'DINOv2',
        'timm',
    ),
    'dinov2_vits14_training_teacher_block_chunks4': (
        teacher,
        'vit_small_patch14_dinov2',
        {'img_size': 224},
        'DINOv2',
        'dino',
    ),
    'franca_vitb14_teacher': (
        teacher,
        'vit_base_patch14_dinov2',
        {
            'mlp_layer': 'SwiGLUPacked',
            'act_layer': 'SiLU',
            'mlp_ratio': 16 / 3,
        },
        'Franca',
        'dino',
    ),
    'dinov3_vits16': (
        flat,
        'vit_small_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vits16plus': (
        flat,
        'vit_small_plus_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vitb16': (
        teacher,
        'vit_base_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vitl16': (
        flat,
        'vit_large_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vitl16_sat493m': (
        flat,
        'vit_large_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vith16plus_one_block': (
        flat,
        'vit_huge_plus_patch16_dinov3_qkvb',
        {},
        'DINOv3',
        'none',
    ),
    'dinov3_vit7b16_one_block': (
        flat,
        'vit_7b_patch16_dinov3',
        {},
        'DINOv3',
        'none',
    ),
    'ijepa_vith14_target_encoder': (
        jepa,
        'vit_huge_patch14_gap_224',
        {},
        'I-JEPA',
        'fixed',
    ),
    'beitv2_base_pretrain_cls_pt': (
        lambda s: dict(model=s, epoch=299),
        'beitv2_base_patch16_224',
        {'global_pool': 'token'},
        'BEiT v2',
        'none',
    ),
    'beitv2_base_finetuned': (
        lambda s: dict(module=s),
        'beit_base_patch16_224',
        {},
        '',
        'none',
    ),
    'data2vec_vision_base_pretrain': (
        lambda s: dict(model=wrong(s), model_ema=s),
        'beit_base_patch16_224',
        {'global_pool': 'token'},
        '',
        'none',
    ),
    'eva02_base_patch14_mim': (
        lambda s: dict(module=s),
        'eva02_base_patch14_224',
        {'global_pool': 'token'},
        '',
        'transformers',
    ),
    'dino_xcit_small_12_p16': (flat, 'xcit_small_12_p16_224', {}, '', 'none'),
    'dino_xcit_medium_24_p16': (
        flat,
        'xcit_medium_24_p16_224',
        {},
        '',
        'none',
    ),
    'dino_vits16_teacher_of_training_checkpoint': (
        dino,
        'vit_small_patch16_224',
        {},
        '',
        'dino',
    ),
    'ibot_vitb16': (dino, 'vit_base_patch16_224', {}, '', 'dino'),
}


def depth_option(name, state):
    """The option for a list that was cut."""
    found = [re.match(r'(?:.*\.)?blocks\.(?:\d+\.)?(\d+)\.', n) for n in state]
    return 1 + max(int(m[1]) for m in found if m)


@pytest.mark.parametrize('name', CASES)
def test_a_container_becomes_a_whole_network(name, tmp_path):
    wrap, model, options, method, positions = CASES[name]
    state = listed(name)
    backbone, report = convert(saved(tmp_path, wrap(state)))
    net = architecture_of(backbone)
    depth = depth_option(name, state)
    assert net.model == model
    assert net.kwargs == {**options, 'depth': depth}
    assert backbone.meta['method'] == method
    assert net.positions == positions
    shapes = {n: tuple(t.shape) for n, t in backbone.state.items()}
    shapes = {n: s for n, s in shapes.items() if 'num_batches' not in n}
    assert shapes == net.shapes()
    # strictly, by torch itself
    built = net.build('meta')
    built.load_state_dict(backbone.state, strict=True, assign=True)
    assert any(bool(t.any()) for t in backbone.state.values())
    assert all(bool(t.any()) or 'bias' in n for n, t in backbone.state.items())
    assert report.complete


def test_full_depth_needs_no_option(tmp_path):
    for name in ('dinov2_vits14', 'dinov3_vits16', 'dino_xcit_small_12_p16'):
        wrap, model, options, *_ = CASES[name]
        path = saved(tmp_path, wrap(listed(name, 99)))
        net = architecture_of(convert(path)[0])
        assert (net.model, net.kwargs) == (model, options)


@pytest.mark.parametrize(
    'name,mean',
    [
        ('dinov3_vitl16', IMAGENET),
        ('dinov3_vitl16_sat493m', (0.430, 0.411, 0.296)),
        ('data2vec_vision_base_pretrain', IMAGENET),
        ('eva02_base_patch14_mim', (0.48145466, 0.4578275, 0.40821073)),
    ],
)
def test_the_statistics_are_the_formats(name, mean, tmp_path):
    path = saved(tmp_path, CASES[name][0](listed(name)))
    assert architecture_of(convert(path)[0]).mean == mean


def test_a_seven_billion_file_is_told_by_its_name(tmp_path):
    state = listed('dinov3_vit7b16_one_block')
    path = saved(tmp_path, state, 'dinov3_vit7b16_pretrain_lvd1689m.pth')
    backbone, report = convert(path)
    assert architecture_of(backbone).mean == IMAGENET
    assert 'LVD-1689M' in report.summary()
    path = path.rename(tmp_path / 'dinov3_vit7b16_pretrain_sat493m.pth')
    assert architecture_of(convert(path)[0]).std == (0.213, 0.156, 0.143)


def test_plain_vits_stay_plain(tmp_path):
    """Files that say nothing of their method, and MAE's and MoCo v3's."""
    for name, wrap, heads_, method in (
        ('dino_vits16', flat, 6, ''),
        ('ibot_vits16', lambda s: dict(state_dict=s), 6, ''),
        (
            'mae_vitb16_pretrain_full',
            lambda s: dict(model=s, epoch=799),
            12,
            'MAE',
        ),
        (
            'moco_v3_vit_small_base_encoder_without_head',
            lambda s: dict(
                state_dict={
                    **s,
                    **{
                        n.replace('base_', 'momentum_'): t
                        for n, t in wrong(s).items()
                    },
                }
            ),
            12,
            'MoCo v3',
        ),
    ):
        state = listed(name, 12)
        backbone, _ = convert(saved(tmp_path, wrap(state)))
        args = backbone.meta['arch_args']
        assert (args['family'], args['heads']) == ('vit', heads_), name
        assert backbone.meta['method'] == method
        assert bool(backbone.state['blocks.0.norm1.weight'].all())


def msn(state):
    bare = under('module.', state)
    return dict(
        encoder=wrong(bare),
        opt=dict(state={}, param_groups=[]),
        prototypes=torch.ones(8, 8),
        target_encoder={
            **bare,
            **heads('module.fc.fc1.weight', 'module.fc.bn1.running_mean'),
            **heads('module.pred.fc1.weight'),
        },
        epoch=300,
    )


def test_msn_is_told_by_its_prototypes(tmp_path):
    backbone, _ = convert(saved(tmp_path, msn(listed('dino_vits16', 12))))
    assert backbone.meta['method'] == 'MSN'
    assert backbone.arch == 'vit_small_patch16'
    assert bool(backbone.state['blocks.0.norm1.weight'].all())
    # another patch: no plain ViT's
    state = listed('dino_vits16', 12)
    state['patch_embed.proj.weight'] = torch.ones(1).expand(384, 3, 7, 7)
    state['pos_embed'] = torch.ones(1).expand(1, 1025, 384)
    backbone, _ = convert(saved(tmp_path, msn(state)))
    net = architecture_of(backbone)
    assert (net.model, net.positions) == (
        'vit_small_patch16_224',
        'transformers',
    )
    assert net.kwargs == {'patch_size': 7}


def test_mae_huge_has_a_patch_of_14(tmp_path):
    state = {
        name.replace('module.', ''): t
        for name, t in listed('ijepa_vith14_target_encoder').items()
    }
    state['pos_embed'] = torch.ones(1).expand(1, 257, 1280)
    state['cls_token'] = torch.ones(1).expand(1, 1, 1280)
    state |= heads('decoder_pos_embed', 'decoder_blocks.0.norm1.weight')
    state |= heads('mask_token')
    backbone, _ = convert(saved(tmp_path, dict(model=state, epoch=1599)))
    net = architecture_of(backbone)
    assert backbone.meta['method'] == 'MAE'
    assert backbone.meta['pretrain_epochs'] == 1600
    assert (net.model, net.kwargs) == ('vit_huge_patch14_224', {'depth': 2})
    assert (net.positions, net.pool) == ('transformers', 'patch_mean')


def test_the_role_decides_and_the_user_above_it(tmp_path):
    """Every name takes the copy that its authors evaluate."""
    state = listed('dinov2_vits14')
    other = wrong(state)
    for key, rest in (
        ('target_encoder', ('encoder', 'predictor')),
        ('teacher', ('student',)),
        ('model_ema', ('model',)),
        ('ema', ('state_dict',)),
    ):
        content = {**dict.fromkeys(rest, other), key: state}
        path = saved(tmp_path, content)
        backbone, report = convert(path)
        assert bool(backbone.state['norm.weight'].any()), key
        assert f'the file also has {rest[0]}' in report.summary()
        backbone, report = convert(path, branch='online')
        assert not backbone.state['norm.weight'].any(), key
        assert f'the file also has {key}' in report.summary()


def test_the_role_decides_among_names_too(tmp_path):
    """Student and teacher in one dict, as a training wrapper saves them."""
    state = listed('dinov2_vits14')
    other = wrong(state)

    def joined(first, second):
        return {f'{first}.{n}': t for n, t in other.items()} | {
            f'{second}.{n}': t for n, t in state.items()
        }

    for copy in ('teacher.backbone', 'model_ema.backbone', 'ema'):
        content = dict(model=joined('student.backbone', copy))
        path = saved(tmp_path, content)
        backbone, report = convert(path)
        assert bool(backbone.state['norm.weight'].any()), copy
        assert 'the file also has student.backbone.' in report.summary()
        backbone, _ = convert(path, branch='online')
        assert not backbone.state['norm.weight'].any(), copy
    for one, two in (('a', 'b'), ('a.encoder', 'b.encoder')):
        with pytest.raises(UserError, match='2 encoders: say which'):
            convert(saved(tmp_path, joined(one, two)))


@pytest.mark.parametrize(
    ('name', 'tensor', 'shape'),
    [
        ('dinov2_vits14', 'patch_embed.proj.weight', (384, 3, 14, 16)),
        ('dinov2_vits14', 'patch_embed.proj.weight', (384, 3, 16, 14)),
        (
            'esvit_swin_tiny_w7_backbone',
            'layers.3.blocks.1.attn.relative_position_bias_table',
            (121, 24),  # of another window
        ),
        (
            'esvit_swin_tiny_w7_backbone',
            'layers.3.blocks.1.attn.relative_position_bias_table',
            (84, 24),  # of no window
        ),
    ],
)
def test_what_timms_filters_would_resize(name, tensor, shape, tmp_path):
    state = modern.expanded(name)
    state[tensor] = torch.ones(1).expand(shape)
    with pytest.raises(UserError) as caught:
        convert(saved(tmp_path, state))
    said = str(caught.value)
    assert tensor in said
    assert f'has the shape {list(shape)}' in said


# list: one tensor of each part, as the message must name it
PARTS = {
    'dinov2_vits14': (
        'blocks.1.attn.qkv.bias',
        'blocks.0.attn.proj.weight',
        'blocks.0.norm1.weight',
        'norm.bias',
        'blocks.0.ls1.gamma',
        'blocks.1.ls2.gamma',
        'blocks.0.mlp.fc2.bias',
        'pos_embed',
        'cls_token',
        'patch_embed.proj.bias',
    ),
    'dinov2_vits14_reg4': (
        'pos_embed',
        'cls_token',
        'blocks.0.ls1.gamma',
        'blocks.0.attn.qkv.weight',
    ),
    'dinov3_vits16': (
        'storage_tokens',
        'rope_embed.periods',
        'cls_token',
        'blocks.0.attn.qkv.weight',
        'blocks.0.attn.qkv.bias',
        'blocks.1.attn.qkv.bias_mask',
        'blocks.0.norm2.bias',
        'norm.weight',
    ),
    'dinov3_vits16plus': ('blocks.0.mlp.w1.bias', 'blocks.1.mlp.w3.weight'),
    'franca_vitb14_teacher': (
        'backbone.blocks.0.0.mlp.w12.bias',
        'backbone.pos_embed',
    ),
    'ijepa_vith14_target_encoder': (
        'module.blocks.0.attn.qkv.weight',
        'module.pos_embed',
        'module.norm.weight',
    ),
    'beitv2_base_pretrain_cls_pt': (
        'rel_pos_bias.relative_position_bias_table',
        'blocks.0.gamma_1',
        'blocks.0.attn.q_bias',
        'blocks.1.attn.v_bias',
        'norm.weight',
        'cls_token',
    ),
    'beitv2_base_finetuned': (
        'blocks.1.attn.relative_position_bias_table',
        'fc_norm.weight',
    ),
    'eva02_base_patch14_mim': (
        'rope.freqs_cos',
        'pos_embed',
        'blocks.0.attn.q_proj.weight',
        'blocks.0.mlp.ffn_ln.weight',
        'norm.weight',
    ),
    'dino_xcit_small_12_p16': (
        'cls_attn_blocks.1.attn.qkv.weight',
        'blocks.0.attn.temperature',
        'blocks.0.gamma3',
        'blocks.1.local_mp.bn.running_var',
        'cls_token',
        'pos_embeder.token_projection.weight',
    ),
    'dino_vits16_teacher_of_training_checkpoint': (
        'backbone.pos_embed',
        'backbone.blocks.0.attn.qkv.bias',
    ),
}
# what a message calls a tensor that timm names otherwise
RENAMED = (
    ('ls1.gamma', 'gamma_1'),
    ('ls2.gamma', 'gamma_2'),
    ('pos_embeder', 'pos_embed'),
    ('qkv.bias', 'q_bias'),
    ('mlp.w12', 'mlp.fc1'),
    ('mlp.w1', 'mlp.fc1_g'),
    ('mlp.w3', 'mlp.fc2'),
    ('mlp.ffn_ln', 'mlp.norm'),
)


@pytest.mark.parametrize(
    'name,part', [(n, part) for n in PARTS for part in PARTS[n]]
)
def test_a_lost_tensor_is_named(name, part, tmp_path):
    state = listed(name)
    del state[part]
    path = saved(tmp_path, CASES[name][0](state))
    with pytest.raises(UserError) as caught:
        convert(path)
    text = str(caught.value)
    bare = re.sub(r'^(backbone|module)\.', '', part)
    bare = re.sub(r'blocks\.\d\.(\d)\.', r'blocks.\1.', bare)
    told = [bare, *(bare.replace(*pair) for pair in RENAMED)]
    assert any(word in text for word in told), text
    assert '\n' not in text


def test_a_surplus_tensor_is_named(tmp_path):
    state = listed('dinov2_vits14')
    state['blocks.0.attn.more'] = torch.ones(3)
    with pytest.raises(UserError, match='not understood: blocks.0.attn.more'):
        convert(saved(tmp_path, state))
    backbone, _ = convert(saved(tmp_path, listed('dinov2_vits14')))
    with pytest.raises(UserError, match='computes with it'):
        convert(saved(tmp_path, state), drop=['blocks.0.attn.more'])
    assert 'blocks.0.attn.more' not in backbone.state


def test_registers_that_a_name_promises(tmp_path):
    state = listed('dinov2_vits14_reg4')
    del state['register_tokens']
    path = saved(tmp_path, state, 'dinov2_vits14_reg4_pretrain.pth')
    with pytest.raises(UserError, match='lacks register_tokens'):
        convert(path)


def test_a_vit_of_tomorrow_is_refused_whole(tmp_path):
    """Frequencies in each layer, RMS norms, parts under other names."""
    state = {}
    for name, tensor in listed('dinov2_vits14').items():
        if re.search(r'norm\d?\.bias|pos_embed', name):
            continue
        state[re.sub(r'\.mlp\.', '.ffn.inner.', name)] = tensor
    for block in range(DEPTH):
        state[f'blocks.{block}.attn.freqs'] = torch.ones(2, 6, 32)
    for content in (state, dict(teacher=under('backbone.', state))):
        with pytest.raises(UserError) as caught:
            convert(saved(tmp_path, content))
        for word in ('blocks.N.attn.freqs', 'blocks.N.ffn.inner.fc1.weight'):
            assert word in str(caught.value)
    # without the marks of DINOv2 and with a table, at a patch of 14 and of 16
    state = {n: t for n, t in state.items() if not re.search(r'ls\d|mask_', n)}
    state['pos_embed'] = torch.ones(1).expand(1, 1370, 384)
    strange = ('attn.freqs', 'ffn.inner.fc1.weight')
    for patch, words in ((14, strange), (16, (*strange, 'norm1.bias'))):
        weight = torch.ones(1).expand(384, 3, patch, patch)
        state['patch_embed.proj.weight'] = weight
        with pytest.raises(UserError) as caught:
            convert(saved(tmp_path, state))
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize('q,v', [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
def test_biases_of_dinov3(q, v, tmp_path):
    """Masked as its program does it; the key's never counts."""
    state = listed('dinov3_vits16')
    for block in range(DEPTH):
        name = f'blocks.{block}.attn.qkv.bias'
        parts = torch.full((3, 384), float('nan'))
        parts[0], parts[2] = q, v  # the key's stays NaN
        state[name] = parts.flatten()
    backbone, _ = convert(saved(tmp_path, state))
    net = architecture_of(backbone)
    assert net.model.endswith('_qkvb') is bool(q or v)
    if q or v:
        assert bool((backbone.state['blocks.0.attn.q_bias'] == q).all())
        assert bool((backbone.state['blocks.1.attn.v_bias'] == v).all())
    mask = 'blocks.0.attn.qkv.bias_mask'
    state[mask] = torch.full_like(state[mask], float('nan'))
    _, report = convert(saved(tmp_path, state))
    assert 'masks of the biases were made again' in report.summary()
    state[mask] = torch.ones_like(state[mask])
    with pytest.raises(UserError, match='bias_mask keeps the bias of the key'):
        convert(saved(tmp_path, state))


def test_rotary_periods_of_the_file_are_used(tmp_path):
    state = listed('dinov3_vits16')
    exact = state['rope_embed.periods']
    rounded = exact.bfloat16().float()
    state['rope_embed.periods'] = rounded
    backbone, report = convert(saved(tmp_path, state))
    assert 'rounding to bfloat16' in report.summary()
    net = architecture_of(backbone)
    built = net.build(img_size=64)
    assert torch.equal(built.rope.periods, rounded)
    built = built.half().float()  # timm computes them again
    assert torch.equal(built.rope.periods, rounded)
    plain = architecture_of(
        convert(saved(tmp_path, listed('dinov3_vits16')))[0]
    )
    assert torch.allclose(plain.build(img_size=64).rope.periods, exact)
    state['rope_embed.periods'] = torch.zeros(16)
    with pytest.raises(UserError, match='values that are no periods'):
        convert(saved(tmp_path, state))


def test_a_backbone_file_keeps_its_network(tmp_path):
    path = saved(tmp_path, listed('dinov2_vits14_reg4'))
    backbone, _ = convert(path)
    out = tmp_path / 'o.backbone.safetensors'
    write_backbone(out, backbone)
    again = read_backbone(out)
    assert architecture_of(again) == architecture_of(backbone)
    again, report = convert(out, arch='vit_small_patch14_reg4_dinov2')
    assert report.complete and again.meta['arch'] == backbone.arch
    with pytest.raises(UserError, match='not vit_base_patch14_dinov2'):
        convert(out, arch='vit_base_patch14_dinov2')
    with pytest.raises(UserError, match='unknown architecture'):
        convert(out, arch='vit_small_patch14_dinov9')
    del again.state['reg_token']
    write_backbone(out, again)
    with pytest.raises(UserError, match='missing .*reg_token'):
        convert(out)


HOSTILE = {
    'another file': dict(kwargs={'checkpoint_path': '/etc/passwd'}),
    'a download': dict(kwargs={'pretrained': True}),
    'a hub': dict(model='hf-hub:someone/something'),
    'a path': dict(model='../../x'),
    'no name': dict(model=3),
    'no such network': dict(model='vit_small_patch14_dinov9'),
    'too deep': dict(kwargs={'depth': 10**9}),
    'too wide': dict(kwargs={'embed_dim': 10**12}),
    'a dict inside': dict(kwargs={'norm_layer': {'a': 1}}),
    'no layer': dict(kwargs={'mlp_layer': 'system'}),
    'an unknown option': dict(kwargs={'nonsense': 1}),
    'no kwargs': dict(kwargs=[1]),
    'positions': dict(positions='guess'),
    'pool': dict(pool=None),
    'mean': dict(mean=[0.5]),
    'mean of texts': dict(mean='abc'),
    'norm': dict(final_norm='yes'),
    'a field more': dict(more=1),
    'periods': dict(kwargs={'rope_periods': [1.0, 2.0]}),
}


@pytest.mark.parametrize('what', HOSTILE)
def test_a_hostile_header_is_one_line(what, tmp_path):
    backbone, _ = convert(saved(tmp_path, listed('dinov3_vits16')))
    backbone.meta['arch_args'] |= HOSTILE[what]
    out = tmp_path / 'o.backbone.safetensors'
    write_backbone(out, backbone)
    with pytest.raises(UserError) as caught:
        convert(out)
    assert '\n' not in str(caught.value)


def test_where_the_tensors_of_eva02_go(tmp_path):
    name = 'eva02_base_patch14_mim'
    state = modern.drawn(cut(modern.shapes(name), 1))
    found, _ = convert(saved(tmp_path, dict(module=state)))
    for theirs, ours in (
        ('mlp.w1.weight', 'mlp.fc1_g.weight'),
        ('mlp.w2.bias', 'mlp.fc1_x.bias'),
        ('mlp.w3.weight', 'mlp.fc2.weight'),
        ('mlp.ffn_ln.weight', 'mlp.norm.weight'),
        ('attn.q_bias', 'attn.q_proj.bias'),
        ('attn.v_bias', 'attn.v_proj.bias'),
        ('attn.k_proj.weight', 'attn.k_proj.weight'),
    ):
        wanted = state[f'blocks.0.{theirs}']
        assert torch.equal(found.state[f'blocks.0.{ours}'], wanted)
    assert torch.equal(found.state['norm.weight'], state['norm.weight'])


def test_where_the_tensors_of_xcit_go(tmp_path):
    name = 'dino_xcit_small_12_p16'
    state = modern.drawn(cut(modern.shapes(name), 1))
    content = dict(student=wrong(state), teacher=state, epoch=300)
    found, _ = convert(saved(tmp_path, content))
    assert found.meta['pretrain_epochs'] == 300
    block = 'cls_attn_blocks.0.attn'
    parts = [found.state[f'{block}.{part}.weight'] for part in 'qkv']
    assert torch.equal(torch.cat(parts), state[f'{block}.qkv.weight'])
    key = 'token_projection.weight'
    assert torch.equal(
        found.state[f'pos_embed.{key}'], state[f'pos_embeder.{key}']
    )


def test_a_family_that_is_named(tmp_path):
    path = saved(tmp_path, listed('dinov2_vits14'))
    assert convert(path, 'dinov2')[0].meta['source_format'] == 'dinov2'
    with pytest.raises(UserError, match='holds no dinov3'):
        convert(path, 'dinov3')
    with pytest.raises(UserError, match='Did you mean dinov2'):
        convert(path, 'dinov22')


def test_heads_that_nothing_says_are_said(tmp_path):
    state = {
        name.replace('module.', ''): t
        for name, t in listed('ijepa_vith14_target_encoder').items()
    }
    _, report = convert(saved(tmp_path, state))
    assert '16 attention heads, as is usual' in report.summary()
    _, report = convert(saved(tmp_path, jepa(state)))
    assert 'attention heads' not in report.summary()


def test_a_table_keeps_its_size(tmp_path):
    """The authors' rule is applied for each image, not once."""
    backbone, _ = convert(saved(tmp_path, listed('dinov2_vits14')))
    with pytest.raises(UserError, match='leave --image-size away'):
        resize_backbone(backbone, 224)
    backbone, _ = convert(saved(tmp_path, listed('dinov3_vits16')))
    with pytest.raises(UserError, match='no position table to resize'):
        resize_backbone(backbone, 224)


def test_two_kinds_of_networks_with_the_same_names(tmp_path):
    """DeiT III's, and timm's with rotary positions that no file holds."""
    name = 'vit_small_patch16_rope_ape_224'
    state = TimmNet(name).build().state_dict()
    state = {n: t.expand_as(t) for n, t in state.items()}
    path = saved(tmp_path, state)
    with pytest.raises(UserError, match='--arch .*deit3_base_patch16_224'):
        convert(path)
    assert architecture_of(convert(path, arch=name)[0]).model == name


def test_a_network_that_begins_like_a_vit(tmp_path):
    """Hiera and CaiT have a ViT's blocks, and more that is named."""
    for name, strange in (
        ('cait_xxs24_224', 'blocks_token_only.0.gamma_1'),
        ('hiera_base_abswin_256', 'blocks.N.proj.weight'),
        ('convit_tiny', 'blocks.N.attn.pos_proj.weight'),
    ):
        shapes = TimmNet(name).build('meta').state_dict()
        state = {n: torch.ones(()).expand(t.shape) for n, t in shapes.items()}
        with pytest.raises(UserError) as caught:
            convert(saved(tmp_path, state))
        assert strange in str(caught.value)


@pytest.mark.parametrize('method', ['', 'DINO', 'iBOT', 'MAE'])
def test_a_flat_file_of_dino_is_told_by_the_method(method, tmp_path):
    """Nothing in it says whose it is, and positions follow from that."""
    path = saved(tmp_path, cut(listed('dino_vits16')))
    backbone, _ = convert(path, meta=dict(method=method) if method else None)
    if method in ('DINO', 'iBOT'):
        net = architecture_of(backbone)
        assert (net.model, net.positions) == ('vit_small_patch16_224', 'dino')
    else:
        assert backbone.meta['arch_args']['family'] == 'vit'
