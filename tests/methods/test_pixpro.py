"""PixPro against the released program, its geometry, and its limits."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.engine.lars import PaperLARS
from ssl_bench.errors import UserError
from ssl_bench.layers import cosine_momentum
from ssl_bench.layers.dense_heads import DenseMLP
from ssl_bench.layers.precision import unit
from ssl_bench.methods.pixpro.model import (
    PixelPropagation,
    PixPro,
    consistency_loss,
    instance_loss,
    schedule_steps,
)
from ssl_bench.methods.pixpro.pixel_grid import (
    crop_coordinates,
    pixel_distances,
    view_coordinates,
)
from tests.devices import here

PACK = np.load(Path(__file__).parents[1] / 'data' / 'pixpro.npz')
GRIDS = ['7x7', '5x8']
DTYPES = [torch.float64, torch.float32]


def get(name, dtype=torch.float64):
    return here(torch.from_numpy(np.array(PACK[name])).to(dtype))


def group(prefix, dtype=torch.float64):
    return {
        name[len(prefix) :]: get(name, dtype)
        for name in PACK.files
        if name.startswith(prefix)
    }


def close(actual, expected, atol, dtype=torch.float64):
    """Five times the released program's own float32 error, or 1e-10."""
    atol = 1e-10 if dtype == torch.float64 else 5 * atol
    torch.testing.assert_close(
        actual.detach().double(), expected, rtol=0, atol=atol
    )


def samples(crops, flips, size):
    size = crops.new_tensor(size).expand(len(crops), 2)
    return dict(crops=crops, flips=flips, source_size=size)


# -- geometry (groups a and b) ---------------------------------------------


def test_coordinates_of_recorded_views():
    """Crop rectangle and flip of a ViewGeometry give the coordinates."""
    for row, expected in zip(
        PACK['a.params_WHijhw_flip'], get('a.coords', torch.float32)
    ):
        width, height, top, left, h, w, flip = (int(v) for v in row)
        view = ViewGeometry(
            (left, top, left + w, top + h), (224, 224), bool(flip)
        )
        actual = crop_coordinates(
            torch.tensor(view.crop, dtype=torch.float32),
            torch.tensor(view.flip),
            torch.tensor([height, width]),
        )
        torch.testing.assert_close(actual, expected, rtol=1.2e-7, atol=0)


def test_coordinates_after_the_pixel_pipeline():
    i, j, h, w = PACK['a.pix.ijhw_size_sigma'][:4]
    crop = torch.tensor([j, i, j + w, i + h], dtype=torch.float32)
    actual = crop_coordinates(
        crop, torch.tensor(True), torch.tensor(PACK['a.pix.image'].shape[:2])
    )
    torch.testing.assert_close(
        actual, get('a.pix.flip_coord', torch.float32), rtol=1.2e-7, atol=0
    )


def test_coordinates_find_a_painted_pixel():
    """The end points are the centres of the outermost pixels of the view."""
    view = ViewGeometry((30.0, 10.0, 70.0, 50.0), (40, 40), flip=True)
    first = view.to_source(torch.tensor([[0.5, 0.5], [39.5, 39.5]]))
    coords = crop_coordinates(
        torch.tensor(view.crop), torch.tensor(True), torch.tensor([101, 201])
    )
    ends = (first - 0.5) / torch.tensor([200.0, 100.0])
    torch.testing.assert_close(coords, ends.flatten())


def test_one_pixel_side_gives_no_match_and_no_nan():
    """The released program divides by zero here."""
    coords = crop_coordinates(
        torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        torch.tensor([False]),
        torch.tensor([[1, 1]]),
    )
    q = unit(torch.randn(1, 4, 3, 3)).requires_grad_()
    loss = consistency_loss(q, q.detach(), coords, coords)
    loss.backward()
    assert loss == 0 and torch.equal(q.grad, torch.zeros_like(q))


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('grid', GRIDS)
def test_matched_pairs(grid):
    size = tuple(int(side) for side in grid.split('x'))
    distance = pixel_distances(
        get('b.coord_q', torch.float32), get('b.coord_k', torch.float32), size
    )
    distance = distance.cpu()
    np.testing.assert_allclose(distance, PACK[f'b.{grid}.dist'], 0, 1e-5)
    threshold = float(PACK[f'b.{grid}.ratio'])
    matched = distance < threshold
    assert np.array_equal(matched, PACK[f'b.{grid}.mask'].astype(bool))
    assert np.array_equal(matched.sum((1, 2)), PACK[f'b.{grid}.count'])
    margin = (distance.double() - threshold).abs().amin((1, 2))
    np.testing.assert_allclose(margin, PACK[f'b.{grid}.margin'], 0, 1e-5)


# -- losses (groups c and f) -----------------------------------------------


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('grid', GRIDS)
def test_consistency_loss(grid, dtype):
    """Eq. 4 with the released factor 2, and its gradient."""
    q = get(f'c.{grid}.q', dtype).requires_grad_()
    k = get(f'c.{grid}.k', dtype)
    coords = [get(f'b.coord_{side}', torch.float32) for side in 'qk']
    loss = consistency_loss(q, k, *coords, float(PACK[f'b.{grid}.ratio']))
    loss.backward()
    close(loss, get(f'c.{grid}.loss'), 4e-8, dtype)
    close(q.grad, get(f'c.{grid}.grad_q'), 1e-9, dtype)
    pairs = torch.stack(
        [
            consistency_loss(
                q[n : n + 1],
                k[n : n + 1],
                coords[0][n : n + 1],
                coords[1][n : n + 1],
            )
            for n in range(6)
        ]
    )
    close(pairs, get(f'c.{grid}.loss_per_pair'), 6e-8, dtype)


def test_consistency_loss_equals_a_slow_loop():
    torch.manual_seed(3)
    q, k = unit(torch.randn(2, 5, 3, 4)), unit(torch.randn(2, 5, 3, 4))
    cq = torch.tensor([[0.1, 0.2, 0.8, 0.9], [0.9, 0.0, 0.1, 0.6]])
    ck = torch.tensor([[0.7, 0.1, 0.2, 0.7], [0.2, 0.3, 0.8, 1.0]])
    total = 0.0
    for n in range(2):
        hits = []
        for i in range(12):
            for j in range(12):
                points, diagonals = [], []
                for c, at in ((cq[n], i), (ck[n], j)):
                    w, h = (c[2] - c[0]) / 4, (c[3] - c[1]) / 3
                    points.append(
                        (c[0] + (at % 4 + 0.5) * w, c[1] + (at // 4 + 0.5) * h)
                    )
                    diagonals.append(math.hypot(w, h))
                if math.dist(*points) / max(diagonals) < 0.7:
                    hits.append(q[n].flatten(1)[:, i] @ k[n].flatten(1)[:, j])
        total += -2 * sum(hits) / (len(hits) + 1e-6) / 2
    torch.testing.assert_close(consistency_loss(q, k, cq, ck), total)


def test_equal_views_reach_the_lower_bound_and_flips_agree():
    """-2 for equal maps of one crop; mirrored, the mirrored map has it."""
    torch.manual_seed(0)
    q = unit(torch.randn(2, 4, 7, 7))
    crop = torch.tensor([[0.2, 0.2, 0.6, 0.6]]).expand(2, 4)
    mirrored = crop[:, [2, 1, 0, 3]]
    for loss in (
        consistency_loss(q, q, crop, crop),
        consistency_loss(q, q.flip(3), crop, mirrored),
    ):
        torch.testing.assert_close(loss, torch.tensor(-2.0))


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', DTYPES)
def test_instance_loss(dtype):
    prediction = get('f.pred_map', dtype).requires_grad_()
    target = get('f.key_map', dtype)
    loss = instance_loss(prediction, target)
    loss.backward()
    close(loss, get('f.loss'), 1e-7, dtype)
    close(prediction.grad, get('f.grad_pred_map'), 3e-10, dtype)
    close(unit(prediction.mean((2, 3))), get('f.pred_vec'), 1e-7, dtype)
    close(unit(target.mean((2, 3))), get('f.key_vec'), 1e-7, dtype)


# -- modules (groups d and e) ----------------------------------------------


def renamed(name):
    """Names of the released program in ours, inside a `DenseMLP`."""
    for old, new in (('linear', 'layers.conv'), ('bn', 'layers.norm')):
        name = name.replace(old, new)
    return f'layers.conv1.{name}' if name in ('weight', 'bias') else name


def load(module, weights):
    state = {renamed(name): value for name, value in weights.items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    assert all('num_batches' in name or 'running' in name for name in missing)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize(
    'case',
    [
        'layer0.p1',
        'layer0.p2',
        'layer1.p1',
        'layer1.p2',
        'layer2.p1',
        'layer2.p2',
        'layer1.p0.5',
        'layer1.p2.clamp0.2',
    ],
)
def test_propagation(case, dtype):
    """Eq. 5 and 6 for every depth of g, exponent and clamp."""
    layers = int(case[5])
    module = PixelPropagation(
        8,
        layers,
        float(case.split('.clamp')[0].split('.p')[1]),
        float(case.split('.clamp')[1]) if 'clamp' in case else 0.0,
    ).to(dtype)
    load(module.transform, group(f'd.layer{layers}.w.', dtype))
    x = get('d.x', dtype).requires_grad_()
    y = module(x)
    (y * get('d.R', dtype)).sum().backward()
    close(y, get(f'd.{case}.y'), 2e-6, dtype)
    close(unit(y), get(f'd.{case}.y_unit'), 2e-7, dtype)
    rough = case.endswith('p0.5')
    close(x.grad, get(f'd.{case}.grad_x'), 4e-4 if rough else 2e-6, dtype)
    grads = group(f'd.{case}.grad.')
    ours = {name: p.grad for name, p in module.transform.named_parameters()}
    assert len(grads) == len(ours)
    for name, expected in grads.items():
        close(ours[renamed(name)], expected, 4e-4 if rough else 8e-6, dtype)
    buffers = dict(module.transform.named_buffers())
    for name, expected in group(f'd.{case}.after.').items():
        close(buffers[renamed(name)], expected, 8e-8, dtype)


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', DTYPES)
def test_projector(dtype):
    head = DenseMLP(16, 32, 8).to(dtype)
    load(head, group('e.w.', dtype))
    x = get('e.x', dtype).requires_grad_()
    y = head(x)
    (y * get('e.R', dtype)).sum().backward()
    close(y, get('e.y'), 6e-7, dtype)
    close(x.grad, get('e.grad_x'), 4e-7, dtype)
    ours = {name: p.grad for name, p in head.named_parameters()}
    for name, expected in group('e.grad.').items():
        close(ours[renamed(name)], expected, 4e-6, dtype)
    buffers = dict(head.named_buffers())
    for name, expected in group('e.after.').items():
        close(buffers[renamed(name)], expected, 7e-8, dtype)
    close(head.eval()(x), get('e.y_eval_after'), 5e-7, dtype)


def test_propagation_is_equivariant_to_permutation():
    """It knows no positions: permuted pixels give permuted outputs."""
    torch.manual_seed(0)
    module = PixelPropagation(6).double()
    x, order = torch.randn(2, 6, 3, 5).double(), torch.randperm(15)
    moved = x.flatten(2)[..., order].reshape(x.shape)
    torch.testing.assert_close(
        module(moved).flatten(2), module(x).flatten(2)[..., order]
    )


# -- schedule (group i) ----------------------------------------------------


@pytest.mark.parametrize('row', range(4))
def test_momentum_schedule(row):
    *run, base = PACK['i.cfg_inst_world_batch_epochs_start_base'][row]
    total, first = schedule_steps(*(int(value) for value in run))
    assert (total, first) == tuple(PACK['i.K_k0'][row])
    actual = [
        cosine_momentum(int(step), total, base) for step in PACK['i.step'][row]
    ]
    np.testing.assert_allclose(actual, PACK['i.momentum'][row], 0, 1e-15)


# -- the whole model (group h) ---------------------------------------------


class TinyEncoder(nn.Module):
    """28 x 28 pixels to 7 x 7, as in group h."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(12)
        self.conv2 = nn.Conv2d(12, 16, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return (self.bn2(self.conv2(x)).relu(),)


def tiny(layers=1, exponent=2.0, instance=0.0, momentum_steps=30, **kwargs):
    return PixPro(
        TinyEncoder(),
        dict(in_channels=16, hid_channels=32, out_channels=8),
        dict(num_layers=layers, exponent=exponent),
        instance_weight=instance,
        instance_hid_channels=24,
        momentum_steps=momentum_steps,
        **kwargs,
    )


PARTS = dict(
    encoder='backbone.',
    encoder_k='target.module.backbone.',
    projector='neck.',
    projector_k='target.module.neck.',
    projector_instance='instance_neck.',
    projector_instance_k='target.module.instance_neck.',
    predictor='predictor.',
    value_transform='propagation.transform.',
)


def ours(name):
    part, rest = name.split('.', 1)
    return PARTS[part] + (rest if 'encoder' in part else renamed(rest))


def golden_batch(step):
    views = [get(f'h.im{v}')[step] for v in (1, 2)]
    coords = torch.stack([get(f'h.coord{v}')[step] for v in (1, 2)], 1)
    x = coords[..., [0, 2]].sort(-1).values
    # a source of 2 x 2 pixels has fractions for pixels
    crops = torch.stack(
        [x[..., 0], coords[..., 1], x[..., 1] + 1, coords[..., 3] + 1], -1
    )
    flips = coords[..., 0] > coords[..., 2]
    return views, samples(crops, flips, (2, 2))


@pytest.mark.usefixtures('device')
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('case', 'ABC')
def test_three_training_steps(case, dtype):
    """Losses, gradients, momentum branch, statistics and LARS steps."""
    layers, exponent, weight = PACK[f'h.{case}.cfg_layer_p_ins']
    total, first = schedule_steps(*(int(v) for v in PACK['h.sched']))
    assert (total, first) == tuple(PACK[f'h.{case}.K_k0'])
    model = tiny(
        int(layers), float(exponent), float(weight), momentum_steps=total
    ).to(dtype)
    state = {
        ours(name): value for name, value in group(f'h.{case}.init.').items()
    }
    assert not model.load_state_dict(state, strict=False).unexpected_keys
    assert {n for n, p in model.named_parameters()} == set(state)
    optimizer = PaperLARS(
        [p for p in model.parameters() if p.requires_grad],
        lr=1.0,
        weight_decay=1e-5,
    )
    for step in range(3):
        views, fields = golden_batch(step)
        loss = sum(model.loss([v.to(dtype) for v in views], fields).values())
        optimizer.zero_grad()
        loss.backward()
        prefix = f'h.{case}.step{step}.'
        close(loss, get(prefix + 'loss'), 2.5e-7, dtype)
        grads = {n: p.grad for n, p in model.named_parameters()}
        for name, expected in group(prefix + 'grad.').items():
            # a bias before a norm layer has no gradient but rounding noise
            noise = 1e-5 if name.endswith('linear1.bias') else 5e-7
            close(grads[ours(name)], expected, noise, dtype)
        optimizer.param_groups[0]['lr'] = PACK['h.lr'][step]
        optimizer.step()
        now = model.state_dict()
        for kind, atol in (
            ('key.', 2e-7),
            ('buf.', 3e-7),
            ('param.', 1.3e-7 if step == 0 else 3e-6),
        ):
            for name, expected in group(prefix + kind).items():
                close(now[ours(name)], expected, atol, dtype)


def random_batch(n=4, dtype=torch.float32, seed=0):
    draw = torch.Generator().manual_seed(seed)
    views = [
        torch.randn(n, 3, 28, 28, generator=draw).to(dtype) for _ in range(2)
    ]
    corner = torch.randint(0, 20, (n, 2, 2), generator=draw).to(dtype)
    crops = torch.cat([corner, corner + 40], -1)
    flips = torch.rand(n, 2, generator=draw) < 0.5
    return views, samples(crops, flips, (80, 100))


def test_gradient_reaches_all_of_the_online_side_and_none_of_the_target():
    torch.manual_seed(0)
    model = tiny(layers=2, instance=1.0)
    # where views do not overlap there is no pixel loss: these do
    sum(model.loss(*random_batch()).values()).backward()
    for name, parameter in model.named_parameters():
        if name.startswith('target.'):
            assert parameter.grad is None and not parameter.requires_grad
        else:
            # a bias before a norm layer has none but rounding noise
            silent = name.endswith('conv1.bias')
            assert parameter.grad is not None, name
            assert silent or parameter.grad.abs().max() > 1e-7, name


def test_target_moves_in_training_only_and_by_the_formula():
    torch.manual_seed(0)
    model = tiny()
    weight = 'backbone.conv1.weight'
    model.target.module.backbone.conv1.weight.add_(1)
    online = model.state_dict()[weight].clone()
    model.eval()
    model.loss(*random_batch())
    old = model.state_dict()['target.module.' + weight].clone()
    torch.testing.assert_close(old, online + 1)
    model.train()
    model.loss(*random_batch())
    torch.testing.assert_close(
        model.state_dict()['target.module.' + weight],
        0.99 * old + 0.01 * online,
    )


def test_initialisation_starts_the_target_as_a_copy(registered):
    torch.manual_seed(0)
    model = PixPro(
        dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
        dict(in_channels=64, hid_channels=16, out_channels=8),
    )
    model.init_weights()
    online = model.online.state_dict()
    for name, value in model.target.module.state_dict().items():
        assert torch.equal(value, online[name]), name
    assert model.backbone.layer4[1].bn2.weight.abs().max() == 0


def test_sizes_of_the_published_model(registered):
    """Parameter counts of the official model, instance branch included."""
    norm = dict(type='GlobalBN')
    model = PixPro(
        dict(type='ResNet', depth=50, norm_cfg=norm),
        dict(
            in_channels=2048,
            hid_channels=4096,
            out_channels=256,
            norm_cfg=norm,
        ),
        dict(num_layers=1),
        instance_weight=1.0,
    )

    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(model.backbone) == 23_508_032
    assert count(model.neck) == count(model.instance_neck) == 9_449_728
    assert count(model.propagation) == 65_792
    assert count(model.predictor) == 2_109_696
    trainable = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in trainable) == 44_582_976
    rest = [
        p
        for n, p in model.named_parameters()
        if p.requires_grad and not n.startswith(('instance_neck', 'predictor'))
    ]
    assert len(rest) == 167 and sum(p.ndim > 1 for p in rest) == 56


def test_bfloat16_autocast_stays_close():
    torch.manual_seed(0)
    model = tiny(instance=1.0).eval()
    with torch.autocast('cpu', torch.bfloat16):
        half = model.loss(*random_batch())
    full = model.loss(*random_batch())
    for name, value in full.items():
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name], value, rtol=0, atol=0.05)


def train(model, optimizer, steps):
    for step in steps:
        loss = sum(model.loss(*random_batch(seed=step)).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_resume_is_exact():
    """2 + 2 steps with saved states equal 4, momentum schedule included."""

    def fresh():
        torch.manual_seed(0)
        model = tiny()
        return model, PaperLARS(
            [p for p in model.parameters() if p.requires_grad], lr=1.0
        )

    straight, first, second = fresh(), fresh(), fresh()
    train(*straight, range(4))
    train(*first, range(2))
    for old, new in zip(first, second):
        new.load_state_dict(old.state_dict())
    train(*second, range(2, 4))
    for a, b in zip(
        straight[0].state_dict().values(), second[0].state_dict().values()
    ):
        assert torch.equal(a, b)
    assert second[0].target.momentum == cosine_momentum(4, 30, 0.99)


def test_overfits_a_batch():
    torch.manual_seed(0)
    model = tiny()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    batch = random_batch(8)
    losses = []
    for _ in range(25):
        loss = sum(model.loss(*batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1


def test_refusals(registered):
    neck = dict(in_channels=64, hid_channels=16, out_channels=8)
    with pytest.raises(UserError, match='expects 64 .* gives 32'):
        PixPro(
            dict(type='ResNet', depth=18, stem_channels=4, base_channels=4),
            neck,
        )
    with pytest.raises(UserError, match='instance_weight >= 0, got -1'):
        tiny(instance=-1)
    with pytest.raises(ValueError, match='exponent 0'):
        tiny(exponent=0)
    with pytest.raises(ValueError, match='in_channels 3 and out_channels 4'):
        DenseMLP(3, 8, 4, num_layers=0)
    with pytest.raises(ValueError, match='num_layers >= 0, got -1'):
        DenseMLP(3, 8, 4, num_layers=-1)
    with pytest.raises(UserError, match='one size, got 64 x 64 and 96 x 64'):
        tiny().check_views([(64, 64), (96, 64)])
    model = tiny(momentum_steps=10)
    model.target.set_total_steps(11)
    with pytest.raises(UserError, match='run has 11 .*momentum_steps=10'):
        model.loss(*random_batch())


def test_view_coordinates_of_a_batch_and_of_one_image():
    _, fields = random_batch(3)
    coords = view_coordinates(fields)
    assert coords.shape == (3, 2, 4)
    one = {name: value[1] for name, value in fields.items()}
    assert torch.equal(view_coordinates(one), coords[1])
    torch.testing.assert_close(
        coords[1, 0],
        crop_coordinates(one['crops'][0], one['flips'][0], one['source_size']),
    )
