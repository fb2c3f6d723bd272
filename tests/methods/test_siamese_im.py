"""SiameseIM as a model: limits, gradients, processes, resume, refusals."""

import copy

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmpretrain.registry import MODELS
from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.methods.siamese_im.model import unigrad_dense_loss
from ssl_bench.methods.siamese_im.vit import TokenBatchNorm
from tests.methods.siamese_golden import batch, build, samples
from tests.processes import run_in_processes

HALF = [slice(0, 2), slice(2, 4)]


def tiny(**overrides):
    """A model of 4 x 4 patches with fresh weights."""
    config = dict(
        type='SiameseIM',
        backbone=dict(
            type='SincosViT',
            img_size=32,
            patch_size=8,
            arch=dict(
                embed_dims=24,
                num_layers=2,
                num_heads=3,
                feedforward_channels=48,
            ),
        ),
        neck=dict(
            type='SiameseIMProjector', channels=16, depth=1, num_heads=2
        ),
        head=dict(type='SiameseIMPredictor', depth=1, num_heads=2),
        num_masked=10,
        momentum=0.9,
        momentum_schedule='constant',
    )
    for key, value in overrides.items():
        part = config
        *path, last = key.split('__')
        for name in path:
            part = part[name]
        part[last] = value
    model = MODELS.build(config)
    model.init_weights()
    return model.train()


def draw(seed, size=4):
    """Views and samples for `tiny`."""
    g = torch.Generator().manual_seed(seed)
    views = [torch.randn(size, 3, 32, 32, generator=g) for _ in range(2)]
    corner = torch.rand(size, 2, 2, generator=g) * 20
    side = 20 + torch.rand(size, 2, 2, generator=g) * 20
    crops = torch.cat([corner, corner + side], -1)
    order = torch.rand(size, 16, generator=g).argsort(1)
    return views, samples(
        crops,
        torch.rand(size, 2, generator=g) < 0.5,
        torch.full((size, 2), 64.0),
        (order < 10).view(size, 4, 4),
    )


def pairwise_loss(pred, target, weight):
    """The loss through the N x N matrix, one pair at a time."""
    width = pred.shape[-1]
    pred = pred.reshape(-1, width)
    target = torch.nn.functional.layer_norm(
        target.reshape(-1, width), (width,)
    )
    count = len(pred)
    pos = sum((p - t) @ (p - t) for p, t in zip(pred, target)) / count
    neg = sum((p @ t) ** 2 for p in pred for t in target) / count**2
    return (pos + weight * neg) / width


def test_negative_term_is_the_mean_over_all_pairs():
    g = torch.Generator().manual_seed(0)
    pred, target = (
        torch.randn(2, 5, 6, dtype=torch.float64, generator=g)
        for _ in range(2)
    )
    actual = unigrad_dense_loss(pred, target, 0.3)['loss']
    torch.testing.assert_close(actual, pairwise_loss(pred, target, 0.3))


def test_loss_by_hand():
    """Targets (1, -1) and (-1, 1): C = [[1, -1], [-1, 1]]."""
    target = torch.tensor([[[3.0, 1.0], [0.0, 2.0]]])
    pred = torch.tensor([[[1.0, -1.0], [0.0, 0.0]]])
    terms = unigrad_dense_loss(pred, target, 0.5)
    torch.testing.assert_close(
        terms['pos'], torch.tensor(0.5), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        terms['neg'], torch.tensor(1.0), atol=1e-4, rtol=0
    )


def test_no_square_of_the_token_count_is_ever_built():
    """16,384 tokens: an N x N matrix would be 1 GiB."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.elements = max(self.elements, out.numel())
            return out

    pred = torch.randn(64, 256, 8, requires_grad=True)
    with Largest() as largest:
        unigrad_dense_loss(pred, torch.randn(64, 256, 8))['loss'].backward()
    assert 0 < largest.elements <= pred.numel()


def test_gradient_reaches_all_online_and_never_the_target():
    model = tiny()
    model.loss(*draw(0))['loss'].backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0 or 'qkv.bias' in name, name
        else:
            assert parameter.grad is None
            assert name.startswith(('target.', 'backbone.p'))  # and tables
    assert not model.backbone.patch_embed.projection.weight.requires_grad


def test_target_moves_by_the_formula_before_it_is_used():
    model = tiny()
    with torch.no_grad():
        for parameter in model.neck.parameters():
            parameter.add_(torch.randn_like(parameter))
    before = copy.deepcopy(model.target.module)
    model.loss(*draw(0))
    for old, new, online in zip(
        before.parameters(),
        model.target.module.parameters(),
        model.online.parameters(),
    ):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * online)


def test_evaluation_leaves_the_target_alone():
    model = tiny()
    model.loss(*draw(0))
    before = copy.deepcopy(model.target.state_dict())
    with torch.no_grad():
        model.neck.embed.weight.add_(1.0)
        model.eval().loss(*draw(0))
    for name, value in model.target.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_double_precision_goes_all_the_way():
    model = tiny().double()
    views, data_samples = draw(0)
    loss = model.loss([view.double() for view in views], data_samples)['loss']
    assert loss.dtype == torch.float64
    torch.testing.assert_close(
        loss.float(),
        copy.deepcopy(model).float().loss(views, data_samples)['loss'],
        atol=1e-5,
        rtol=0,
    )


def test_target_starts_at_the_online_weights():
    model = tiny()
    for target, online in zip(
        model.target.module.parameters(), model.online.parameters()
    ):
        assert torch.equal(target, online)


def test_hidden_patches_do_not_matter():
    """What view 1 masks cannot change the prediction."""
    model = tiny().eval()
    views, data_samples = draw(3)
    mask = data_samples['mask']
    relative = torch.tensor([[0.0, 0, 1, 1, 0, 0]]).repeat(4, 1)
    first = model.predict(views[0], mask, relative)
    pixels = mask.float().repeat_interleave(8, 1).repeat_interleave(8, 2)
    noise = torch.randn_like(views[0]) * pixels[:, None]
    torch.testing.assert_close(
        model.predict(views[0] + noise, mask, relative), first
    )
    assert (
        model.predict(views[0] + 1, mask, relative) - first
    ).abs().max() > 1e-3


def rank_step(rank):
    model = build('A')
    inputs, data_samples = batch('A')
    half = HALF[rank]
    loss = model.loss(
        [view[half] for view in inputs],
        {name: value[half] for name, value in data_samples.items()},
    )['loss']
    loss.backward()
    return dict(
        loss=loss.detach(),
        grad={
            name: p.grad
            for name, p in model.named_parameters()
            if p.grad is not None
        },
        target=model.target.state_dict(),
    )


def test_two_processes_equal_one():
    """Loss, averaged gradient and target of the joined batch."""
    ranks = run_in_processes(rank_step, 2)
    model = build('A')
    loss = model.loss(*batch('A'))['loss']
    loss.backward()
    torch.testing.assert_close(
        (ranks[0]['loss'] + ranks[1]['loss']) / 2, loss.detach()
    )
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            mean = (ranks[0]['grad'][name] + ranks[1]['grad'][name]) / 2
            torch.testing.assert_close(
                mean,
                parameter.grad,
                atol=1e-6,
                rtol=1e-4,
                msg=lambda m: name + m,
            )
    for name, value in ranks[0]['target'].items():
        torch.testing.assert_close(value, ranks[1]['target'][name])


def train(model, optimizer, steps):
    for step in steps:
        optimizer.zero_grad()
        model.loss(*draw(step))['loss'].backward()
        optimizer.step()


def adamw(model):
    return torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=1e-3
    )


def test_resume_is_bit_identical():
    """2 + 2 steps equal 4, momentum schedule included."""
    torch.manual_seed(0)
    straight = tiny(momentum_schedule='cosine')
    start = copy.deepcopy(straight.state_dict())
    straight.target.set_total_steps(4)
    train(straight, adamw(straight), range(4))

    first = tiny(momentum_schedule='cosine')
    first.load_state_dict(start)
    first.target.set_total_steps(4)
    optimizer = adamw(first)
    train(first, optimizer, range(2))
    second = tiny(momentum_schedule='cosine')
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.target.set_total_steps(4)
    resumed = adamw(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(second, resumed, range(2, 4))
    for name, value in straight.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_bfloat16_autocast_is_finite():
    model = tiny()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = model.loss(*draw(0))
    losses['loss'].backward()
    assert losses['loss'].dtype == torch.float32
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(
        torch.isfinite(p.grad).all()
        for p in model.parameters()
        if p.grad is not None
    )
    torch.testing.assert_close(
        losses['loss'].detach(),
        model.loss(*draw(0))['loss'].detach(),
        rtol=0.05,
        atol=0.05,
    )


def test_overfits_and_does_not_collapse():
    torch.manual_seed(0)
    model = tiny(momentum=0.99)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=3e-3
    )
    data, losses = draw(0, 8), []
    for _ in range(60):
        optimizer.zero_grad()
        terms = model.loss(*data)
        terms['loss'].backward()
        optimizer.step()
        losses.append(float(terms['positive']))
    assert losses[-1] < 0.5 * losses[0]
    tokens = model.backbone(data[0][0])[0][:, 1:].flatten(0, 1)
    unit = torch.nn.functional.normalize(tokens, dim=1)
    assert unit.std(0).mean() > 0.3 / 24**0.5


@pytest.mark.parametrize(
    'overrides,message',
    [
        (dict(backbone__img_size=30), 'patches of 8 pixels.*30 pixels'),
        (dict(neck__num_heads=5), '5 heads do not divide 16 channels'),
        (dict(neck__num_heads=0), '0 heads do not divide 16 channels'),
        (dict(head__num_heads=3), '3 heads do not divide 16 channels'),
        (dict(num_masked=16), 'num_masked=16 must be between 1 and 15'),
        (
            dict(neck__channels=18, neck__num_heads=2, head__num_heads=2),
            'got width 18, remainder 2',
        ),
        (
            dict(
                backbone__arch=dict(
                    embed_dims=24,
                    num_layers=1,
                    num_heads=5,
                    feedforward_channels=48,
                )
            ),
            '5 heads do not divide 24 channels',
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(overrides, message):
    with pytest.raises(ValueError, match=message):
        tiny(**overrides)


def test_data_without_masks_are_refused():
    with pytest.raises(UserError, match='needs AddBlockMask'):
        tiny().check_data([])


def test_tokens_share_statistics_over_samples_and_positions():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, dtype=torch.float64)
    norm, expected = TokenBatchNorm(5).double(), nn.BatchNorm1d(5).double()
    assert torch.equal(norm(x), expected(x.reshape(6, 5)).view(2, 3, 5))
    assert torch.equal(norm.running_var, expected.running_var)


def test_the_runner_leaves_the_norm_of_tokens_in_place():
    """mmengine swaps torch's synchronised norm on one process."""
    model = revert_sync_batchnorm(nn.Sequential(TokenBatchNorm(5)))
    assert type(model[0]) is TokenBatchNorm
