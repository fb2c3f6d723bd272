"""LEWEL against the released program, its invariances and its limits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ssl_bench.engine.lars import PaperLARS
from ssl_bench.errors import UserError
from ssl_bench.layers import FeatureQueue, cosine_momentum, info_nce
from ssl_bench.layers.dense_heads import DenseMLP
from ssl_bench.layers.precision import unit
from ssl_bench.methods.lewel.alignment import (
    LEWELNeck,
    alignment_maps,
    gather_aligned,
)
from ssl_bench.methods.lewel.model import (
    LEWEL,
    contrast_aligned,
    regression_distance,
)
from tests.devices import here

PACK = np.load(Path(__file__).parents[1] / 'data' / 'lewel.npz')
LAYERS = {
    'mlp.0': 'layers.conv1',
    'mlp.1': 'layers.norm1',
    'mlp.3': 'layers.conv2',
}


def get(name, dtype=torch.float64):
    value = here(torch.from_numpy(np.array(PACK[name])))
    return value.to(dtype) if value.is_floating_point() else value


def group(prefix, dtype=torch.float64):
    return {
        name[len(prefix) :]: get(name, dtype)
        for name in PACK.files
        if name.startswith(prefix)
    }


def close(actual, expected, rtol=1e-9, atol=1e-11, name=''):
    torch.testing.assert_close(
        actual.detach().to(expected.dtype),
        expected,
        rtol=rtol,
        atol=atol,
        msg=lambda text: f'{name}: {text}',
    )


def ours(name):
    """Names of the released program in ours."""
    name = name.replace('online_net.', '').replace(
        'target_net.', 'target.module.'
    )
    if 'target.module' in name:
        name = name.replace('module.backbone', 'module.0').replace(
            'module.neck', 'module.1'
        )
    for old, new in LAYERS.items():
        name = name.replace(old, new)
    return name


def shaped(values, like):
    """Weights of 1-d convolutions for our 2-d ones."""
    return values.reshape(like.shape)


def load(module, weights, strict=True):
    state = module.state_dict()
    new = {
        ours(name): shaped(value, state[ours(name)])
        for name, value in weights.items()
    }
    module.load_state_dict(new, strict=strict)


# -- neck (9.1) ------------------------------------------------------------


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(
    'dtype, forward, aligned, grad',
    [
        (torch.float64, {}, {}, {}),
        (
            torch.float32,
            dict(rtol=1e-5, atol=1e-5),
            dict(rtol=1e-4, atol=5e-5),
            dict(rtol=1e-4, atol=5e-4),
        ),
    ],
)
@pytest.mark.parametrize('case', ['neck_h4', 'neck_h1', 'neck_scaled'])
def test_neck(case, dtype, forward, aligned, grad):
    """Projections, maps, gathering, gradients, statistics, eval mode."""
    neck = LEWELNeck(
        16, 24, 12, int(PACK[f'{case}/heads']), float(PACK[f'{case}/scale'])
    ).to(dtype)
    load(neck, group(f'{case}/w/', dtype))
    x = get(f'{case}/x', dtype).requires_grad_()
    whole, parts = neck((x,))
    (
        (whole * get(f'{case}/cot_global', dtype)).sum()
        + (parts * get(f'{case}/cot_aligned', dtype)).sum()
    ).backward()
    close(whole, get(f'{case}/global'), **forward)
    close(parts, get(f'{case}/aligned'), **aligned)
    close(x.grad, get(f'{case}/grad/x'), **grad)
    grads = {name: p.grad for name, p in neck.named_parameters()}
    for name, expected in group(f'{case}/grad/proj').items():
        mine = grads[ours('proj' + name)]
        close(mine, shaped(expected, mine), name=name, **grad)
    buffers = dict(neck.named_buffers())
    for name, expected in group(f'{case}/after/').items():
        close(buffers[ours(name)], expected, **forward)
    whole, parts = neck.eval()(x)
    close(whole, get(f'{case}/eval/global'), **forward)
    close(parts, get(f'{case}/eval/aligned'), **aligned)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('case', ['neck_h4', 'neck_h1', 'neck_scaled'])
def test_maps_and_gathering(case):
    """Steps 3 to 5, each on its own."""
    heads, scale = int(PACK[f'{case}/heads']), float(PACK[f'{case}/scale'])
    neck = LEWELNeck(16, 24, 12, heads, scale).double()
    load(neck, group(f'{case}/w/'))
    features = get(f'{case}/x').flatten(2)
    close(neck.project(features)[1], get(f'{case}/perpixel'))
    maps = alignment_maps(get(f'{case}/perpixel'), scale)
    close(maps, get(f'{case}/maps'))
    close(neck.maps(get(f'{case}/x')).flatten(2), maps)
    close(gather_aligned(features, maps, heads), get(f'{case}/gathered'))


def test_gathering_equals_a_slow_loop():
    torch.manual_seed(0)
    features, maps = torch.randn(2, 6, 5), torch.rand(2, 9, 5)
    gathered = gather_aligned(features, maps, 3)
    for n in range(2):
        for c in range(6):
            for j in range(3):
                expected = features[n, c] @ maps[n, c // 2 * 3 + j]
                torch.testing.assert_close(gathered[n, c, j], expected)


def test_neck_ignores_the_order_of_positions():
    """Global and aligned embeddings are sums over space."""
    torch.manual_seed(0)
    neck = LEWELNeck(8, 16, 8, 2).double()
    x, order = torch.randn(3, 8, 4, 4).double(), torch.randperm(16)
    moved = x.flatten(2)[..., order].reshape(x.shape)
    for one, other in zip(neck(x), neck(moved)):
        torch.testing.assert_close(one, other)


def test_a_large_scale_averages_over_space():
    """All maps become uniform, all aligned inputs the pooled feature."""
    torch.manual_seed(0)
    maps = alignment_maps(torch.randn(2, 6, 10).double(), 1e9)
    features = torch.randn(2, 4, 10).double()
    gathered = gather_aligned(features, maps, 2)
    torch.testing.assert_close(
        gathered, features.mean(2, keepdim=True).expand(2, 4, 3)
    )


# -- LEWEL_B's loss (9.2) --------------------------------------------------


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(
    'dtype, tolerance',
    [(torch.float64, {}), (torch.float32, dict(rtol=1e-5, atol=1e-6))],
)
def test_regression(dtype, tolerance):
    """Both distances, weighted, and their gradients."""
    for weight in (0.5, 0.3):
        prefix = f'loss/w{weight}/'
        heads = nn.ModuleDict(
            dict(
                predictor=DenseMLP(12, 24, 12, bias=False),
                predictor_obj=DenseMLP(12, 24, 12, bias=False),
            )
        ).to(dtype)
        load(
            heads,
            {
                name.replace('/', '.'): value
                for name, value in group('loss/w/', dtype).items()
            },
        )
        online = [
            get(f'loss/online_{kind}', dtype).requires_grad_()
            for kind in ('global', 'aligned')
        ]
        target = [
            get(f'loss/target_{kind}', dtype) for kind in ('global', 'aligned')
        ]
        predictions = [head(z) for head, z in zip(heads.values(), online)]
        terms = [
            regression_distance(p, t) for p, t in zip(predictions, target)
        ]
        loss = weight * terms[0] + (1 - weight) * terms[1]
        loss.backward()
        close(predictions[0][..., 0], get('loss/pred_global'), **tolerance)
        rows = [
            z.transpose(1, 2).flatten(0, 1)
            for z in (predictions[1], target[1])
        ]
        close(rows[0], get('loss/pred_aligned_rows'), **tolerance)
        close(rows[1], get('loss/target_aligned_rows'), **tolerance)
        close(terms[0], get('loss/loss_global'), **tolerance)
        close(terms[1], get('loss/loss_aligned'), **tolerance)
        close(loss, get(prefix + 'loss'), **tolerance)
        for z, kind in zip(online, ('global', 'aligned')):
            close(z.grad, get(f'{prefix}grad/online_{kind}'), **tolerance)
        grads = {name: p.grad for name, p in heads.named_parameters()}
        for name, expected in group(prefix + 'grad/pred').items():
            mine = grads[ours('pred' + name.replace('/', '.'))]
            close(mine, shaped(expected, mine), **tolerance)
        buffers = dict(heads.named_buffers())
        for name, expected in group('loss/after/').items():
            close(buffers[ours(name.replace('/', '.'))], expected, **tolerance)


def test_distance_by_hand():
    """0 for equal, 2 for orthogonal, 4 for opposite directions."""
    z = torch.tensor([[[3.0], [0.0]]])
    for other, expected in (
        ([1.0, 0.0], 0.0),
        ([0.0, 5.0], 2.0),
        ([-1.0, 0.0], 4.0),
    ):
        distance = regression_distance(z, torch.tensor(other).reshape(1, 2, 1))
        torch.testing.assert_close(distance, torch.tensor(expected))


# -- the whole of LEWEL_B (9.3) and its schedule (9.5) ---------------------


class TinyBackbone(nn.Module):
    """16 x 16 pixels to a 16 x 4 x 4 map."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.downsample = nn.Sequential(
            nn.Conv2d(8, 16, 1, 2, bias=False), nn.BatchNorm2d(16)
        )

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        return ((self.bn2(self.conv2(y)) + self.downsample(y)).relu(),)


def tiny(base='byol', **kwargs):
    return LEWEL(
        TinyBackbone(),
        dict(in_channels=16, hid_channels=24, out_channels=12, num_heads=4),
        base=base,
        predictor_hid_channels=24,
        queue_len=16,
        **kwargs,
    )


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('form', ['eman', 'syncbn'])
def test_two_iterations(form):
    """Losses, gradients, LARS steps, target parameters and statistics."""
    prefix = f'step_{form}/'
    model = tiny(
        eman=form == 'eman',
        momentum=float(PACK[prefix + 'base_momentum']),
        loss_weight=float(PACK[prefix + 'loss_weight']),
    ).double()
    assert model.neck.num_heads == PACK[prefix + 'heads']
    assert model.neck.scale == PACK[prefix + 'scale']
    load(model, group(prefix + 'sd0/'), strict=False)
    model.target.set_total_steps(int(PACK[prefix + 'max_iter']))
    excluded = {ours(name) for name in PACK[prefix + '_excl'].tolist()}
    decayed = {ours(name) for name in PACK[prefix + '_decay'].tolist()}
    groups = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # the configs' one custom key, where the form asks for it
            inside = form == 'syncbn' and 'norm1.weight' in name
            special = dict(lars_exclude=False) if inside else {}
            groups.append(dict(params=[parameter], **special))
            assert name in (
                excluded if parameter.ndim == 1 and not inside else decayed
            )
    assert len(groups) == len(excluded) + len(decayed)
    optimizer = PaperLARS(
        groups,
        lr=1.0,
        eps=0.0,
        lr_in_velocity=True,
        split_norm=True,
        weight_decay=float(PACK[prefix + 'weight_decay']),
    )
    for step in range(2):
        at = f'{prefix}step{step}/'
        cur_iter = int(PACK[at + 'cur_iter'])
        model.target._step = cur_iter
        momentum = model.target.momentum
        assert momentum == pytest.approx(float(PACK[at + 'momentum']), 1e-12)
        losses = model.loss([get(at + 'view1'), get(at + 'view2')], [])
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        close(loss, get(at + 'loss'))
        grads = {name: p.grad for name, p in model.named_parameters()}
        for name, expected in group(at + 'grad/').items():
            mine = grads[ours(name)]
            close(mine, shaped(expected, mine), name=name)
        for param_group in optimizer.param_groups:
            param_group['lr'] = float(PACK[at + 'lr'])
        optimizer.step()
        model.update_target()
        state = model.state_dict()
        for name, expected in group(f'{prefix}sd{step + 1}/').items():
            close(
                state[ours(name)],
                shaped(expected, state[ours(name)]),
                name=name,
            )


def test_target_update_inside_the_next_step_is_the_same():
    """With and without `update_target` after the optimiser's step."""
    results = []
    for explicit in (True, False):
        torch.manual_seed(0)
        model = tiny(eman=True)
        model.target.set_total_steps(10)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for step in range(3):
            sum(model.loss(views(step), []).values()).backward()
            optimizer.step()
            if explicit:
                model.update_target()
        if not explicit:
            model.update_target()
        results.append(model.state_dict())
    for name in results[0]:
        assert torch.equal(results[0][name], results[1][name]), name
    assert results[0]['target.step'] == 3


@pytest.mark.parametrize('case', ['eman100', 'eman200', 'syncbn400', 'tiny'])
def test_momentum_schedule(case):
    pack = group(f'sched/{case}/')
    total = float(pack['cfg_epochs'] * pack['cfg_iters_per_epoch'])
    actual = [
        cosine_momentum(int(t), total, float(pack['cfg_base_momentum']))
        for t in pack['iter']
    ]
    np.testing.assert_allclose(actual, pack['momentum'], 1e-12)


# -- LEWEL_M (9.4) ---------------------------------------------------------


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize(
    'dtype, tolerance',
    [(torch.float64, {}), (torch.float32, dict(rtol=1e-5, atol=1e-6))],
)
@pytest.mark.parametrize('queue', ['per_map', 'shared'])
def test_contrast(queue, dtype, tolerance):
    """Losses, gradients, and what is enqueued."""
    pack = group('lewel_m/', dtype)
    tau, weight = float(pack['tau']), float(pack['loss_weight'])
    shared = queue == 'shared'
    queues = [
        FeatureQueue(16, 12).to(dtype),
        FeatureQueue(16, 12, None if shared else 3).to(dtype),
    ]
    names = ['queue_global', 'queue_shared' if shared else 'queue_aligned']
    for store, name in zip(queues, names):
        store.features.copy_(pack[name])
        store.pointer.fill_(int(pack['ptr']))
    q, qa = (
        pack[f'q_{kind}'].requires_grad_() for kind in ('global', 'aligned')
    )
    k, ka = (unit(pack[f'k_{kind}']) for kind in ('global', 'aligned'))
    whole = info_nce(unit(q), k, queues[0].snapshot(), tau)[0].mean()
    parts = contrast_aligned(unit(qa), ka, queues[1].snapshot(), tau)
    loss = weight * whole + (1 - weight) * parts.mean()
    loss.backward()
    queues[0].enqueue(k)
    queues[1].enqueue(unit(ka.mean(2)) if shared else ka.transpose(1, 2))
    form = 'shared/' if shared else ''
    close(whole, get('lewel_m/loss_global'), **tolerance)
    if not shared:
        close(parts, get('lewel_m/loss_aligned_per_map'), **tolerance)
    close(parts.mean(), get(f'lewel_m/{form}loss_aligned'), **tolerance)
    close(loss, get(f'lewel_m/{form}loss'), **tolerance)
    close(q.grad, get('lewel_m/grad/q_global'), **tolerance)
    close(qa.grad, get(f'lewel_m/{form}grad/q_aligned'), **tolerance)
    for store, name in zip(queues, names):
        close(store.features, get(f'lewel_m/after/{name}'), **tolerance)
        assert store.pointer == int(PACK['lewel_m/after/ptr'])


@pytest.mark.parametrize('queue', ['per_map', 'shared'])
def test_contrast_model_equals_its_parts(queue):
    """The class does with its networks what the functions do above."""
    torch.manual_seed(0)
    model = tiny('moco', queue=queue, momentum=0.9, loss_weight=0.3).double()
    both = views(0, dtype=torch.float64)
    reference = tiny('moco', queue=queue, momentum=0.9).double()
    reference.load_state_dict(model.state_dict())
    losses = model.loss(both, [])
    q, qa = (unit(z) for z in reference.online(both[0]))
    reference.target.update(reference.online)
    k, ka = (unit(z) for z in reference.target(both[1]))
    whole = info_nce(
        q[..., 0], k[..., 0], reference.queue_global.features, 0.2
    )[0].mean()
    parts = contrast_aligned(qa, ka, reference.queue_aligned.features, 0.2)
    torch.testing.assert_close(losses['loss_global'], 0.3 * whole)
    torch.testing.assert_close(losses['loss_aligned'], 0.7 * parts.mean())
    torch.testing.assert_close(model.queue_global.features[:, :4], k[..., 0].T)
    columns = model.queue_aligned.features[..., :4]
    expected = unit(ka.mean(2)).T if queue == 'shared' else ka.permute(2, 1, 0)
    torch.testing.assert_close(columns, expected)
    assert model.queue_aligned.pointer == 4


# -- what every method must do ---------------------------------------------

FORMS = [
    dict(),
    dict(eman=True),
    dict(base='moco'),
    dict(base='moco', queue='shared'),
]


def views(seed, n=4, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(n, 3, 16, 16, generator=draw).to(dtype) for _ in range(2)
    ]


@pytest.mark.parametrize('form', FORMS)
def test_gradient_reaches_all_of_the_online_side_and_none_of_the_target(form):
    torch.manual_seed(0)
    model = tiny(**form)
    sum(model.loss(views(0), []).values()).backward()
    for name, parameter in model.named_parameters():
        if name.startswith('target.'):
            assert parameter.grad is None and not parameter.requires_grad
        else:
            assert parameter.grad.abs().max() > 1e-6, name


def train(model, optimizer, steps):
    for step in steps:
        loss = sum(model.loss(views(step), []).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize('form', FORMS)
def test_resume_is_exact(form):
    """2 + 2 steps with saved states equal 4: queues, schedule, target."""

    def fresh():
        torch.manual_seed(0)
        model = tiny(**form)
        model.target.set_total_steps(8)
        return model, PaperLARS(
            [p for p in model.parameters() if p.requires_grad], lr=1.0
        )

    straight, first, second = fresh(), fresh(), fresh()
    train(*straight, range(4))
    train(*first, range(2))
    for old, new in zip(first, second):
        new.load_state_dict(old.state_dict())
    train(*second, range(2, 4))
    for name, value in straight[0].state_dict().items():
        assert torch.equal(value, second[0].state_dict()[name]), name


@pytest.mark.parametrize('form', FORMS)
def test_bfloat16_autocast_stays_close(form):
    torch.manual_seed(0)
    model = tiny(**form).eval()
    with torch.autocast('cpu', torch.bfloat16):
        half = model.loss(views(0), [])
    full = model.loss(views(0), [])
    for name, value in full.items():
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name], value, rtol=0, atol=0.05)


def test_evaluation_moves_nothing():
    for form in FORMS:
        model = tiny(**form).eval()
        before = {n: v.clone() for n, v in model.state_dict().items()}
        model.loss(views(0), [])
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]), name


@pytest.mark.slow
@pytest.mark.parametrize('form', FORMS)
def test_overfits_a_batch(form):
    torch.manual_seed(0)
    model = tiny(**form)
    model.target.set_total_steps(40)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    batch, losses = views(0, 8), []
    for _ in range(30):
        loss = sum(model.loss(batch, []).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # with a queue of 16 the batch itself is soon among the negatives
    assert losses[-1] < losses[0] * (0.5 if form.get('base') is None else 1)


def test_initialisation(registered):
    """Heads N(0, 2 / out), no zeroed residual branch, the target a copy."""
    torch.manual_seed(0)
    model = LEWEL(
        dict(
            type='ResNet',
            depth=18,
            stem_channels=8,
            base_channels=8,
            zero_init_residual=False,
        ),
        dict(in_channels=64, hid_channels=256, out_channels=128),
    )
    model.init_weights()
    for head in (
        model.neck.proj,
        model.neck.proj_obj,
        model.predictor,
        model.predictor_obj,
    ):
        for conv in (head.layers.conv1, head.layers.conv2):
            std = (2 / conv.out_channels) ** 0.5
            assert conv.weight.std().item() == pytest.approx(std, rel=0.05)
    assert model.backbone.layer4[1].bn2.weight.min() == 1
    online = model.online.state_dict()
    for name, value in model.target.module.state_dict().items():
        assert torch.equal(value, online[name]), name


@pytest.mark.slow
def test_sizes_of_the_published_model(registered):
    model = LEWEL(
        dict(type='ResNet', depth=50),
        dict(in_channels=2048, hid_channels=4096, out_channels=256),
    )
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trainable == 46_609_472


def test_refusals(registered):
    sizes = dict(in_channels=16, hid_channels=8, out_channels=12)
    with pytest.raises(UserError, match='5 does not divide in_channels 16'):
        LEWELNeck(**sizes, num_heads=5)
    with pytest.raises(UserError, match='8 does not .* out_channels 12'):
        LEWELNeck(**sizes, num_heads=8)
    with pytest.raises(UserError, match='Did you mean moco'):
        tiny('mocov')
    with pytest.raises(UserError, match='Known: per_map, shared'):
        tiny('moco', queue='one')
    with pytest.raises(UserError, match='loss_weight in 0..1, got 2'):
        tiny(loss_weight=2)
    with pytest.raises(UserError, match="eman=True needs base='byol'"):
        tiny('moco', eman=True)
    with pytest.raises(UserError, match='expects 16 .* gives 32'):
        LEWEL(
            dict(type='ResNet', depth=18, stem_channels=4, base_channels=4),
            sizes,
        )
    with pytest.raises(UserError, match='16 keys .* batch of 5'):
        tiny('moco').loss(views(0, 5), [])
