"""What is trained of a backbone: kinds, and what each does to a network."""

import sys

import pytest
import torch
from mmengine.registry import DefaultScope

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer.held import count, hold
from ssl_bench.transfer.lora import layers_with_terms, own_names
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.trained import read_kind

KINDS = ('frozen', 'last:1', 'lora:3')
VIT_TASKS = ('mini_finetune', 'mini_seg_upernet', 'mini_coco_vitdet')
RESNET_TASKS = ('mini_seg_fcn', 'mini_voc_det_c4', 'mini_semi10')


def build(task, kind='full'):
    """A task's network with a kind, and its plan."""
    from mmdet.registry import MODELS as mmdet
    from mmpretrain.registry import MODELS as mmpretrain
    from mmseg.registry import MODELS as mmseg

    plan, box = make_plan(task, train=kind), find_task(task).toolbox
    models = dict(mmdet=mmdet, mmseg=mmseg, mmpretrain=mmpretrain)[box]
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(box):
        model = models.build(plan.config.model)
    hold(model, read_kind(kind))
    return model


def numbers(model, *starts):
    """How many numbers the parameters have whose names begin so."""
    return sum(
        value.numel()
        for name, value in model.named_parameters()
        if name.startswith(starts)
    )


@pytest.mark.parametrize('text', ['full', 'frozen', 'last:2', 'lora:16'])
def test_a_kind_is_its_text(text):
    assert str(read_kind(text)) == text


def test_a_number_has_one_spelling():
    assert str(read_kind('lora:08')) == 'lora:8'


@pytest.mark.parametrize(
    ('task', 'text', 'message'),
    [
        ('mini_finetune', 'half', 'write full, last:K, lora:RANK or frozen'),
        ('mini_finetune', 'last', 'write full, last:K'),
        ('mini_finetune', 'last:0', 'write frozen, or last:1'),
        ('mini_finetune', 'last:-2', 'write frozen, or last:1'),
        ('mini_finetune', 'lora:0', 'write lora:1, or frozen'),
        ('mini_finetune', 'lora:x', 'write full, last:K'),
        ('mini_finetune', 'last:5', 'has 4 blocks .*Write last:4, or full'),
        ('mini_finetune', 'lora:97', 'Write lora:96 or less'),
        ('mini_seg_upernet', 'last:5', 'MAE has 4 blocks .*Write last:4'),
        ('mini_coco_vitdet', 'last:5', 'ViTDet has 4 blocks'),
        ('mini_seg_fcn', 'last:5', 'has 4 stages. Write last:4'),
        ('mini_seg_fcn', 'lora:4', 'has none. Write last:1, full or frozen'),
        ('mini_knn', 'frozen', 'Leave --train out'),
        ('mini_linear', 'frozen', 'frozen backbone, by its own protocol'),
        ('mini_linear', 'last:1', 'frozen backbone, by its own protocol'),
        ('mini_linear_cached', 'lora:2', 'Leave --train out'),
    ],
)
def test_what_is_not_defined_is_one_line(registered, task, text, message):
    with pytest.raises(UserError, match=message) as error:
        make_plan(task, train=text)
    assert '\n' not in str(error.value)


def test_without_peft(registered, monkeypatch):
    monkeypatch.setitem(sys.modules, 'peft', None)
    with pytest.raises(UserError, match='ssl-bench.lora.') as error:
        build('mini_finetune', 'lora:2')
    assert '\n' not in str(error.value)


def test_a_kind_is_no_option(registered):
    with pytest.raises(UserError, match='write --train full'):
        make_plan('mini_finetune', overrides={'+what_is_trained': 'frozen'})


def test_the_full_kind_leaves_no_trace(registered):
    plain, full = (
        make_plan('mini_finetune'),
        make_plan('mini_finetune', train='full'),
    )
    assert (
        plain.identity == full.identity
        and 'what_is_trained' not in full.config
    )
    hashes = [
        make_plan('mini_finetune', train=kind).config_sha256 for kind in KINDS
    ]
    assert len({plain.config_sha256, *hashes}) == 4


def test_a_dry_run_shows_and_refuses_kinds(registered, mini_root, capsys):
    words = ['transfer', 'random', '--tasks', 'mini_seg_fcn', '--dry-run']
    words += ['--data-root', str(mini_root), '--train']
    assert main([*words, 'last:2']) == 0
    line = next(
        line
        for line in capsys.readouterr().out.splitlines()
        if line.split()[:1] == ['what_is_trained']
    )
    assert line.split() == ['what_is_trained', 'last:2', '[protocol:', '-]']
    assert main([*words, 'lora:2']) == 2
    assert 'Write last:1, full or frozen' in capsys.readouterr().err


@pytest.mark.parametrize('task', [*VIT_TASKS, *RESNET_TASKS])
def test_a_frozen_network_is_not_trained_at_all(registered, task):
    model, whole = build(task, 'frozen'), count(build(task))
    held = numbers(model, 'backbone.', 'roi_head.shared_head.layer4.')
    assert count(model) == dict(
        trained_parameters=whole['parameters'] - held,
        parameters=whole['parameters'],
    )
    model.train()
    assert not any(part.training for part in model.backbone.modules())
    assert model.training
    if task == 'mini_voc_det_c4':
        shared = model.roi_head.shared_head
        assert not shared.layer4.training and shared.norm.training


@pytest.mark.parametrize('task', VIT_TASKS)
def test_the_last_blocks_and_the_final_norm(registered, task):
    model, whole = build(task, 'last:2'), build(task)
    first = numbers(
        whole,
        'backbone.cls_token',
        'backbone.pos_embed',
        'backbone.patch_embed.',
        'backbone.layers.0.',
        'backbone.layers.1.',
    )
    assert count(model)['trained_parameters'] == (
        count(whole)['parameters'] - first
    )
    trained = {
        name.split('.')[1] + '.' + name.split('.')[2]
        for name, value in model.backbone.named_parameters(prefix='backbone')
        if value.requires_grad
    }
    blocks = {'layers.2', 'layers.3'}
    assert trained == blocks | (
        {'ln2.weight', 'ln2.bias'} if task == 'mini_finetune' else set()
    )
    model.train()
    assert [block.training for block in model.backbone.layers] == [
        *(False, False, True, True)
    ]
    assert not model.backbone.patch_embed.training


@pytest.mark.parametrize('task', RESNET_TASKS)
def test_the_last_stages_of_a_residual_network(registered, task):
    model, whole = build(task, 'last:2'), build(task)
    net = model.backbone
    first = numbers(
        whole,
        'backbone.conv1.',
        'backbone.bn1.',
        'backbone.stem.',
        'backbone.layer1.',
        'backbone.layer2.',
    )
    assert count(model)['trained_parameters'] == (
        count(whole)['parameters'] - first
    )
    model.train()
    assert not net.layer1.training and not net.layer2.training
    assert net.layer3.training
    for part in net.layer1.modules():
        assert not part.training
    if task == 'mini_voc_det_c4':
        assert model.roi_head.shared_head.layer4.training
        alone = build(task, 'last:1')
        assert not any(p.requires_grad for p in alone.backbone.parameters())
        assert all(
            p.requires_grad
            for p in alone.roi_head.shared_head.layer4.parameters()
        )


@pytest.mark.parametrize('task', VIT_TASKS)
def test_low_rank_terms_and_nothing_else_of_the_network(registered, task):
    model, whole = build(task, 'lora:3'), build(task)
    # four blocks of width 96: qkv 96 to 288, proj 96 to 96
    terms = 4 * 3 * ((96 + 288) + (96 + 96))
    before = count(whole)['parameters']
    assert count(model) == dict(
        trained_parameters=before - numbers(whole, 'backbone.') + terms,
        parameters=before + terms,
    )
    assert all(
        value.requires_grad == ('.lora_' in name)
        for name, value in model.backbone.named_parameters()
    )
    with own_names(model):
        assert model.state_dict().keys() == whole.state_dict().keys()
    assert model.state_dict().keys() != whole.state_dict().keys()
    model.train()
    assert all(part.training for part in model.backbone.modules())


def test_terms_start_at_zero_after_initialisation(registered):
    """What initialises linear layers leaves the terms alone."""
    model = build('mini_coco_vitdet', 'lora:2')
    before = {
        name: value.clone()
        for name, value in model.named_parameters()
        if '.lora_' in name
    }
    with own_names(model):
        model.init_weights()
    after = dict(model.named_parameters())
    assert len(before) == 16
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(after[n].any() for n in before if '.lora_B' in n)
    assert all(after[n].any() for n in before if '.lora_A' in n)


def test_an_attention_that_takes_the_weight_gets_the_term(registered):
    """BEiT's attention does not call its projection: nothing is lost."""
    from mmpretrain.models.backbones import BEiTViT

    torch.manual_seed(0)
    net = BEiTViT(
        arch=dict(
            embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=32
        ),
        img_size=16,
        patch_size=8,
    )
    net.init_weights()
    holder = torch.nn.Module()
    holder.backbone = net
    x = torch.randn(2, 3, 16, 16)
    net.eval()
    plain = net(x)[0]
    hold(holder, read_kind('lora:2'))
    assert torch.equal(net(x)[0], plain)
    for _, _, layer in layers_with_terms(net):
        torch.nn.init.normal_(layer.lora_B['default'].weight)
    out = net(x)[0]
    assert not torch.allclose(out, plain)
    out.sum().backward()
    terms = [p for n, p in net.named_parameters() if '.lora_' in n]
    assert len(terms) == 8 and all(p.grad.any() for p in terms)
    # the same as weights with the terms in them
    found = [
        (parent, name, layer, layer.weight.detach())
        for parent, name, layer in layers_with_terms(net)
    ]
    with torch.no_grad(), own_names(net):
        for parent, name, _, weight in found:
            getattr(parent, name).weight.copy_(weight)
        assert torch.allclose(net(x)[0], out, atol=1e-5)
