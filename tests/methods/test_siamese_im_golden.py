"""SiameseIM against the official implementation's numbers."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper

from ssl_bench.config import load_config
from ssl_bench.methods.siamese_im.model import (
    relative_position,
    unigrad_dense_loss,
)
from ssl_bench.methods.siamese_im.sincos import relative_sincos, sincos_table
from tests.devices import DEVICES, on_device
from tests.methods.siamese_golden import (
    PACK,
    array,
    batch,
    build,
    crop_record,
    keys,
    our_name,
)
from tests.processes import run_in_processes


def close(actual, expected, atol, rtol=0.0):
    torch.testing.assert_close(
        actual, expected.to(actual), atol=atol, rtol=rtol
    )


@pytest.mark.usefixtures('device')
def test_relative_position_from_crops_of_the_source():
    """Six numbers, exact in double precision."""
    for case in 'cAB':
        crops, flips, size = crop_record(array(f'{case}/pairs'))
        close(
            relative_position(crops, flips, size),
            array(f'{case}/relpos').double(),
            1e-15,
        )


def test_fixed_tables():
    """Row half first, zero row for cls."""
    close(sincos_table(32, 4), array('a0/sincos_D32_g4'), 1e-15)
    close(sincos_table(24, 5), array('a1/sincos_D24_g5'), 1e-15)
    table = sincos_table(768, 14)
    close(table[array('a9/rows')], array('a9/sincos_D768_g14_rows'), 1e-14)
    assert float(table.sum()) == pytest.approx(float(PACK['a9/sum']), 1e-12)


@pytest.mark.usefixtures('device')
def test_relative_embedding():
    """In double and in single precision."""
    relative = array('c/relpos')
    close(relative_sincos(relative, 32, 4), array('b/rel64_D32_g4'), 1e-12)
    close(
        relative_sincos(relative.float(), 32, 4), array('b/rel_D32_g4'), 5e-6
    )
    close(
        relative_sincos(relative.float(), 768, 14)[:, array('b9/rows')],
        array('b9/rel_D768_g14_rows'),
        3e-5,
    )


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('case', ['d0', 'd1', 'd2'])
@pytest.mark.parametrize('normalise', [False, True])
def test_dense_loss(case, normalise):
    """The UniGrad loss and its gradient, double precision."""
    pred = array(f'{case}/pred').double().requires_grad_()
    terms = unigrad_dense_loss(
        pred, array(f'{case}/target').double(), 0.02, normalise
    )
    terms['loss'].backward()
    suffix = '_online_ln' if normalise else ''
    close(terms['loss'].detach(), array(f'{case}/loss{suffix}'), 0, 1e-10)
    close(pred.grad, array(f'{case}/grad{suffix}'), 1e-12)
    if not normalise:
        close(terms['pos'].detach(), array(f'{case}/pos_over_d'), 0, 1e-10)
        close(terms['neg'].detach(), array(f'{case}/neg_over_d'), 0, 1e-10)
        single = unigrad_dense_loss(
            array(f'{case}/pred'), array(f'{case}/target'), 0.02
        )
        close(single['loss'], array(f'{case}/loss32'), 2e-6)


def rank_loss(rank):
    pred = array('d2p/pred')[rank].double().requires_grad_()
    loss = unigrad_dense_loss(pred, array('d2p/target')[rank].double())['loss']
    loss.backward()
    return dict(loss=loss.detach(), grad=pred.grad)


def test_dense_loss_of_two_processes():
    """Only the correlation crosses processes."""
    for rank, out in enumerate(run_in_processes(rank_loss, 2)):
        close(out['loss'], array('d2p/loss')[rank], 1e-12)
        close(out['loss'], array('d2p/loss32')[rank], 2e-7)
        close(out['grad'], array('d2p/grad')[rank], 1e-12)


def record_outputs(model):
    """Hooks that keep what the pack names ``out/...``."""
    out, target = {}, model.target.module
    for name, module in dict(
        enc_tokens=model.backbone,
        proj_tokens=model.neck,
        dec_embed_tokens=model.neck.embed,
        pred=model.head,
        pos2=model.head.relative_embed,
        tgt_enc_tokens=target[0],
        target=target[1],
    ).items():

        def keep(_, inputs, output, name=name):
            out[name] = output[0] if isinstance(output, tuple) else output
            if out[name].requires_grad and name == 'pred':
                out[name].retain_grad()

        module.register_forward_hook(keep)
    model.head.blocks[0].register_forward_pre_hook(
        lambda _, inputs: out.update(dec_in=inputs[0])
    )
    return out


@pytest.fixture(scope='module', params=DEVICES)
def place(request):
    """A device for `stepped`."""
    return request.param


@pytest.fixture(scope='module', params=['A', 'B'])
def stepped(request, place):
    """A case after forward and backward: name, model, outputs, loss."""
    with on_device(place):
        return one_step(request.param)


def one_step(case):
    model = build(case)
    out = record_outputs(model)
    inputs, data_samples = batch(case)
    loss = model.loss(inputs, data_samples)['loss']
    loss.backward()
    out['target'] = out['target'][:, 1:]
    out['target_ln'] = F.layer_norm(out['target'], out['target'].shape[-1:])
    out['grad_pred'] = out['pred'].grad
    return case, model, out, loss.detach()


def test_forward(stepped):
    """Every stage, then the loss."""
    case, model, out, loss = stepped
    for name in keys(f'{case}/out/'):
        if name != 'loss':
            close(out[name].detach(), array(f'{case}/out/{name}'), 2e-5)
    close(loss, array(f'{case}/out/loss'), 2e-6)
    close(loss, array(f'{case}/out64/loss'), 2e-6)
    close(out['pred'].detach(), array(f'{case}/out64/pred'), 1e-5)
    close(model.backbone.pos_embed.detach(), array(f'{case}/pos_embed'), 1e-7)
    close(
        model.head.pos_embed, array(f'{case}/decoder_pos_embed')[0, 1:], 1e-7
    )


def test_gradients(stepped):
    """Every trainable tensor's gradient, and none elsewhere."""
    case, model, _, _ = stepped
    expected = {
        our_name(name): array(f'{case}/grad/{name}')
        for name in keys(f'{case}/grad/')
    }
    actual = {
        name: p.grad for name, p in model.named_parameters() if p.requires_grad
    }
    assert actual.keys() == expected.keys()
    for name, grad in expected.items():
        grad = grad.to(actual[name])
        error = (actual[name] - grad).norm() / grad.norm().clamp_min(1e-6)
        assert error < 1e-5 or (actual[name] - grad).abs().max() < 1e-6, name
    total = torch.stack([g.norm() for g in actual.values()]).norm()
    assert float(total) == pytest.approx(
        float(PACK[f'{case}/grad_norm']), rel=1e-5
    )
    assert all(p.grad is None for p in model.target.parameters())


def test_states_after_the_step(stepped):
    """Target parameters and running statistics."""
    case, model, _, _ = stepped
    state = model.state_dict()
    for kind in ('mm_after', 'buf_after'):
        for name in keys(f'{case}/{kind}/'):
            if our_name(name):
                close(
                    state[our_name(name)], array(f'{case}/{kind}/{name}'), 2e-6
                )


def official_groups(model, weight_decay=0.05, **optimizer):
    """The optimizer wrapper of our configs over a model."""
    return build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            clip_grad=dict(max_norm=1.0),
            optimizer=dict(
                type='AdamW',
                lr=1e-3,
                betas=(0.9, 0.95),
                weight_decay=weight_decay,
                **optimizer,
            ),
            paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
        ),
    )


def decays(model):
    """Weight decay of each trainable parameter by name."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: group['weight_decay']
        for group in official_groups(model).optimizer.param_groups
        for p in group['params']
        if p.requires_grad
    }


def test_parameter_groups(stepped):
    """1-D tensors are not decayed, tokens are."""
    case, model, _, _ = stepped
    actual = decays(model)
    for group, value in (('no_decay', 0.0), ('decay', 0.05)):
        expected = {our_name(str(n)) for n in PACK[f'{case}/group_{group}']}
        assert {n for n, d in actual.items() if d == value} == expected
    frozen = {our_name(str(n)) for n in PACK[f'{case}/frozen_names']}
    frozen -= {None, 'head.pos_embed'}  # a buffer here
    ours = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert ours - frozen <= {'target.module.0.pos_embed'}
    assert frozen <= ours


def run_trajectory(double):
    """Case T: five optimizer steps; losses, norms, final state."""
    model = build('A')
    views = [array('A/x1'), array('A/x2')]
    if double:
        model, views = model.double(), [v.double() for v in views]
    wrapper = official_groups(model)
    record = dict(loss=[], norm=[])
    for k, (lr, m) in enumerate(zip(PACK['T/lr'], PACK['T/mm'])):
        for group in wrapper.optimizer.param_groups:
            group['lr'] = lr
        model.target.base = m
        relative = array('T/relpos')[k].to(views[0].dtype)
        terms = model.terms(*views, array('T/masks')[k], relative)
        wrapper.optimizer.zero_grad()
        terms['loss'].backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        record['norm'].append(
            float(torch.stack([g.norm() for g in grads]).norm())
        )
        wrapper.step()
        record['loss'].append(float(terms['loss'].detach()))
    return record, model.state_dict()


def check_final_state(state, rel, first):
    """Norm, sum and first values of every tensor after five steps."""
    for k, name in enumerate(PACK['T/final_names']):
        ours = our_name(str(name))
        if ours is None or 'num_batches' in ours:
            continue
        value = state[ours].double().flatten()
        close(value[:4], array('T/final_first4')[k][: len(value[:4])], first)
        if ours.endswith(
            'attn.qkv.bias'
        ):  # a bias of keys moves by rounding alone
            third = len(value) // 3
            value = torch.cat([value[:third], value[2 * third :]])
        norm = float(PACK['T/final_l2'][k])
        assert float(value.norm()) == pytest.approx(norm, rel=rel, abs=1e-6)
        assert float(value.sum()) == pytest.approx(
            float(PACK['T/final_sum'][k]), abs=rel * 30 * max(norm, 1)
        )


@pytest.mark.usefixtures('device')
def test_trajectory():
    """AdamW, clipping, schedules, five steps."""
    record, state = run_trajectory(double=False)
    np.testing.assert_allclose(record['loss'], PACK['T/loss'], rtol=2e-5)
    np.testing.assert_allclose(record['norm'], PACK['T/gnorm'], rtol=2e-4)
    check_final_state(state, 1e-5, 1e-3)


@pytest.mark.usefixtures('device')
def test_trajectory_in_double_precision():
    record, _ = run_trajectory(double=True)
    np.testing.assert_allclose(record['loss'], PACK['T/loss64'], rtol=1e-12)
    np.testing.assert_allclose(record['norm'], PACK['T/gnorm64'], rtol=1e-12)


def test_full_size_model_has_the_official_parameters():
    """Names, groups and counts of ViT-B/16, on no memory."""
    from mmpretrain.registry import MODELS

    config = load_config('siamese_im_vitb16_1600e')
    with torch.device('meta'):
        model = MODELS.build(config.model)
    params = dict(model.named_parameters())
    shapes = json.loads(str(PACK['h/vitb_shapes_json']))
    for name, shape in shapes.items():
        ours = our_name(name)
        if ours not in (None, 'head.pos_embed'):
            assert list(params[ours].shape) == list(shape), name
    actual = decays(model)
    groups = [
        {our_name(str(n)) for n in PACK[f'h/vitb_{kind}']}
        for kind in ('no_decay', 'decay')
    ]
    assert [
        {n for n, d in actual.items() if d == v} for v in (0.0, 0.05)
    ] == groups
    elements = [sum(params[n].numel() for n in group) for group in groups]
    assert [len(g) for g in groups] + elements == list(
        PACK['h/vitb_counts'][:4]
    )
    frozen = {n for n, p in params.items() if not p.requires_grad}
    assert frozen - {'target.module.0.pos_embed'} == {
        our_name(str(n)) for n in PACK['h/vitb_frozen']
    } - {None, 'head.pos_embed'}
    # the target has a table here, and no mask token; the decoder's table is
    # a buffer and has no row for cls
    total = sum(p.numel() for p in params.values()) + 768
    assert [total, total - sum(elements)] == list(PACK['h/vitb_counts'][4:])
