"""SiameseIM's views, schedules and transfer arrays of the golden vectors."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_bench.config import load_config
from ssl_bench.data.photometric import on_image
from ssl_bench.data.views import resized_crop
from ssl_bench.engine.lars import PaperLARS
from ssl_bench.engine.schedules import warmup_cosine
from ssl_bench.layers import cosine_momentum
from tests.methods.siamese_golden import PACK, array, build, our_name


def image(key):
    """A uint8 array (H, W, 3) as a tensor (3, H, W)."""
    return array(key).permute(2, 0, 1)


def crop(source, i, j, h, w):
    return resized_crop(source, i, j, h, w, (32, 32), 'bicubic')


def difference(actual, expected):
    return (actual.int() - expected.int()).abs()


def test_crops_of_both_frames():
    """Cut, then bicubic; mirrored crops cut from the source."""
    i, j, h, w = (int(v) for v in PACK['p/box_ijhw'])
    source = PACK['p/image']
    assert difference(crop(source, i, j, h, w), image('p/crop32')).max() <= 1
    left = source.shape[1] - j - w  # the same box of the mirrored image
    mirrored = crop(source, i, left, h, w).flip(-1)
    assert difference(mirrored, image('p/flip_crop32')).max() <= 1


def test_colour_steps():
    """Blur, solarisation and grey, exact."""
    view = PACK['p/crop32']
    for sigma, expected in zip(PACK['p/blur_sigma'], array('p/blur32')):
        blurred = torch.from_numpy(on_image.blur(view, float(sigma)))
        assert difference(blurred, expected).max() == 0
    assert np.array_equal(on_image.solarize(view, 128), PACK['p/solarize32'])
    assert np.array_equal(on_image.grayscale(view), PACK['p/gray32'])


def test_normalisation_of_the_data_preprocessor():
    from mmpretrain.registry import MODELS

    cfg = load_config('siamese_im_vitb16_1600e')
    preprocess = MODELS.build(cfg.data_preprocessor)
    view = image('p/crop32')
    out = preprocess(dict(inputs=[view[None]], data_samples=[]))
    torch.testing.assert_close(
        out['inputs'][0][0], array('p/norm32'), atol=2e-6, rtol=0
    )


def test_schedules():
    """Rate, decay and momentum of the shipped run."""
    for epoch, it, lr, lr2, decay, momentum in PACK['g/schedule']:
        step = int(epoch * 312 + it)
        actual = warmup_cosine(step, 1e-3, 40 * 312, 1600 * 312)
        assert actual == pytest.approx(lr, rel=1e-9, abs=1e-15)
        assert lr2 == lr and decay == 0.05
        assert cosine_momentum(step, 1600 * 312, 0.995) == pytest.approx(
            momentum, rel=1e-14
        )


def test_schedules_of_fine_tuning_and_the_linear_probe():
    """At fractions of an epoch."""
    for epoch, lr, deep in PACK['g/finetune']:
        actual = warmup_cosine(
            round(1000 * epoch), 1e-3, 5000, 100000, final=1e-6
        )
        assert actual == pytest.approx(lr, rel=1e-6, abs=1e-15)
        assert actual * 0.65**5 == pytest.approx(deep, rel=1e-6, abs=1e-15)
    for epoch, lr in PACK['g/linprobe']:
        actual = warmup_cosine(round(1000 * epoch), 6.4, 10000, 90000)
        assert actual == pytest.approx(lr, rel=1e-6, abs=1e-15)


def test_encoder_transfers():
    """Features, pooled and normalised, logits."""
    model = build('A').eval()
    with torch.no_grad():
        tokens = model.extract_feat(array('A/x1'))[0]
    torch.testing.assert_close(tokens, array('i/features'), atol=2e-5, rtol=0)
    pooled = F.layer_norm(
        tokens[:, 1:].mean(1),
        (32,),
        array('i/fc_norm.weight'),
        array('i/fc_norm.bias'),
        1e-6,
    )
    torch.testing.assert_close(
        pooled, array('i/pooled_norm'), atol=2e-5, rtol=0
    )
    logits = F.linear(pooled, array('i/head.weight'), array('i/head.bias'))
    torch.testing.assert_close(logits, array('i/logits'), atol=2e-5, rtol=0)


def test_position_table_of_another_resolution():
    from mmpretrain.models.utils import resize_pos_embed

    resized = resize_pos_embed(
        array('A/pos_embed'),
        (4, 4),
        (6, 6),
        mode='bicubic',
        num_extra_tokens=1,
    )
    torch.testing.assert_close(
        resized, array('i/pos_embed_interp'), atol=5e-6, rtol=0
    )


def test_lars_of_the_linear_probe():
    """Three steps; the bias is not adapted."""
    weight, bias = (torch.nn.Parameter(array(f'i/lars_{n}0')) for n in 'wb')
    optimizer = PaperLARS([weight, bias], lr=0.4, weight_decay=1e-4, eps=0.0)
    for step in range(3):
        weight.grad = array(f'i/lars_gw{step}')
        bias.grad = array(f'i/lars_gb{step}')
        optimizer.step()
        for value, n in ((weight, 'w'), (bias, 'b')):
            torch.testing.assert_close(
                value.detach(),
                array(f'i/lars_{n}{step + 1}'),
                atol=1e-6,
                rtol=0,
            )


def test_layer_decay_of_fine_tuning(registered):
    """The task's config trains these tensors at these rates."""
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.weights import hold_positions

    config = make_plan('in1k_finetune', processes=8).config
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        with torch.device('meta'):
            model = MODELS.build(config.model)
        hold_positions(model, config)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {id(p): name for name, p in model.named_parameters()}
    actual = {
        names[id(p)]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for p in group['params']
        if p.requires_grad
    }
    expected = {}
    for name, scale, decay in zip(
        PACK['h/ft_names'], PACK['h/ft_scale'], PACK['h/ft_wd']
    ):
        name = str(name).replace('fc_norm', 'backbone.ln2')
        name = (
            name.replace('head.', 'head.fc.')
            if name.startswith('head.')
            else our_name(name) or name
        )
        expected[name] = (1e-3 * scale, decay)
    assert actual.keys() == expected.keys()
    np.testing.assert_allclose(
        [actual[n] for n in expected], list(expected.values()), rtol=1e-6
    )
