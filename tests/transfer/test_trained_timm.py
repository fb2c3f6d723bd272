"""What is trained of timm's networks."""

import pytest
import torch
from torch import nn

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.errors import UserError
from ssl_bench.toolbox.timm_backbone import TimmBackbone
from ssl_bench.toolbox.timm_layout import layout_of
from ssl_bench.transfer.held import count, hold
from ssl_bench.transfer.lora import layers_with_terms, own_names
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.trained import read_kind
from tests.timm_tiny import PLAIN, TINY, values_of

ATTENTIVE = (*PLAIN, 'swin')
# blocks of a plain network, stages of another
BLOCKS = {name: 2 if name in PLAIN else 4 for name in TINY}


def model_of(name, **more):
    """A model with the network and something behind it, in training mode."""
    more.setdefault('out_indices', layout_of(TINY[name]).shares())
    model = nn.Module()
    model.backbone = TimmBackbone(to_header(TINY[name]), **more)
    model.backbone.net.load_state_dict(values_of(TINY[name]))
    model.head = nn.Conv2d(model.backbone.channels[-1], 3, 1)
    return model.train()


def side_of(name):
    side = TINY[name].kwargs.get('img_size', 224)
    return 64 if side == 224 and name != 'swin' else side


def step(name, model):
    """One step with a large rate; the tensors before it."""
    before = {n: v.clone() for n, v in model.state_dict().items()}
    out = model.head(
        model.backbone(torch.randn(2, 3, *[side_of(name)] * 2))[-1]
    )
    out.square().mean().backward()
    for value in model.parameters():
        if value.requires_grad and value.grad is not None:
            value.data -= value.grad.sign()
    return before


@pytest.mark.parametrize('name', TINY)
@pytest.mark.parametrize('text', ['frozen', 'last:1'])
def test_held_tensors_stay_and_others_change(name, text):
    model = model_of(name)
    used = {n for n, v in model.named_parameters() if v.requires_grad}
    hold(model, read_kind(text))
    model.train()
    before = step(name, model)
    after = model.state_dict()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    if text == 'frozen':
        assert changed == {'head.weight', 'head.bias'}
        return
    layout = layout_of(TINY[name])
    last = f'backbone.net.{layout.modules[-1]}.'
    mine = {n for n in changed if n.startswith('backbone.')}
    assert any(n.startswith(last) for n in mine)
    assert all(n.startswith(last) or 'norm' in n for n in mine)
    trained = {n for n, v in model.named_parameters() if v.requires_grad}
    assert {n for n in used if n.startswith(last)} <= trained
    # the file's final norm is trained where it is used
    norms = {'backbone.net.norm.weight', 'backbone.net.norm.bias'} & used
    assert norms <= trained


@pytest.mark.parametrize('name', ATTENTIVE)
def test_every_term_is_trained_and_nothing_else(name):
    model = model_of(name)
    whole = sum(v.numel() for v in model.backbone.parameters())
    images = torch.randn(1, 3, *[side_of(name)] * 2)
    model.eval()
    plain = model.backbone(images)[-1]
    hold(model, read_kind('lora:2'))
    # to the rounding of BEiT's sum of weight and term
    torch.testing.assert_close(model.backbone(images)[-1], plain)
    with own_names(model):
        assert model.backbone.net.state_dict().keys() == (
            values_of(TINY[name]).keys()
        )
    terms = {n: v for n, v in model.named_parameters() if '.lora_' in n}
    found = layers_with_terms(model.backbone)
    assert len(terms) == 2 * len(found) > 0
    assert sum(v.numel() for v in terms.values()) == sum(
        2 * (layer.in_features + layer.out_features) for *_, layer in found
    )
    assert count(model)['parameters'] == (
        whole
        + sum(v.numel() for v in terms.values())
        + sum(v.numel() for v in model.head.parameters())
    )
    for *_, layer in found:
        nn.init.normal_(layer.lora_B['default'].weight, std=0.1)
    model.train()
    before = step(name, model)
    after = model.state_dict()
    assert {n for n in before if not torch.equal(before[n], after[n])} == {
        *terms,
        'head.weight',
        'head.bias',
    }


def test_terms_are_trained_with_blocks_computed_twice():
    """Checkpointing of activations must not cut their gradient."""
    model = model_of('dinov2_reg', with_cp=True)
    hold(model, read_kind('lora:2'))
    step('dinov2_reg', model)
    terms = [v for n, v in model.named_parameters() if '.lora_B' in n]
    assert len(terms) == 4 and all(v.grad.any() for v in terms)


@pytest.mark.parametrize('name', ['convnextv2', 'regnet'])
def test_no_terms_without_attention(registered, name):
    with pytest.raises(UserError, match='has none. Write last:1'):
        hold(model_of(name), read_kind('lora:2'))
    with pytest.raises(UserError, match='has none. Write last:1'):
        make_plan('mini_finetune', to_header(TINY[name]), train='lora:2')


@pytest.mark.parametrize('name', TINY)
def test_plan_and_network_agree_on_the_number_of_blocks(registered, name):
    blocks, header = BLOCKS[name], to_header(TINY[name])
    plan = make_plan('mini_finetune', header, train=f'last:{blocks}')
    with pytest.raises(UserError, match=f'Write last:{blocks}, or full'):
        make_plan('mini_finetune', header, train=f'last:{blocks + 1}')
    settings = dict(plan.config.model.backbone)
    assert settings.pop('type') == 'TimmBackbone'
    for number in (blocks, blocks + 1):
        model = nn.Module()
        model.backbone = TimmBackbone(**settings)
        if number == blocks:
            hold(model, read_kind(f'last:{number}'))
            continue
        with pytest.raises(UserError, match=f'Write last:{blocks}, or full'):
            hold(model, read_kind(f'last:{number}'))
