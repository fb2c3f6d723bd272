"""Every config of the baselines, SiameseIM and Barlow Twins builds."""

from pathlib import Path

import pytest
import torch
from mmpretrain.registry import MODELS
from torch.overrides import TorchFunctionMode

from ssl_bench.config import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'

# config: class, images of the paper's batch, highest lr, epochs,
# millions of parameters (momentum copies included)
PAPERS = {
    'mocov1_r50_200e': ('MoCo', 256, 0.03, 200, 47.5),
    'mocov2_r50_200e': ('MoCo', 256, 0.03, 200, 55.9),
    'mocov2_r50_800e': ('MoCo', 256, 0.03, 800, 55.9),
    'simclr_r50_200e': ('SimCLR', 4096, 4.8, 200, 28.0),
    'simclr_r50_800e': ('SimCLR', 4096, 4.8, 800, 28.0),
    'simclr_r50_1000e': ('SimCLR', 4096, 4.8, 1000, 28.0),
    'byol_r50_200e': ('BYOL', 4096, 4.8, 200, 68.02),
    'byol_r50_300e': ('BYOL', 4096, 4.8, 300, 68.02),
    'byol_r50_1000e': ('BYOL', 4096, 3.2, 1000, 68.02),
    'swav_r50_200e': ('SwAV', 256, 0.6, 200, 28.4),
    'simsiam_r50_100e': ('SimSiam', 256, 0.05, 100, 38.2),
    'simsiam_r50_200e': ('SimSiam', 256, 0.05, 200, 38.2),
    'simsiam_r50_800e': ('SimSiam', 256, 0.05, 800, 38.2),
    'densecl_r50_200e': ('DenseCL', 256, 0.03, 200, 64.9),
    'mocov3_vitb16_300e': ('MoCoV3', 4096, 2.4e-3, 300, 215.7),
    'mocov3_r50_100e': ('MoCoV3', 4096, 9.6, 100, 68.01),
    'mocov3_r50_300e': ('MoCoV3', 4096, 4.8, 300, 68.01),
    'mocov3_r50_1000e': ('MoCoV3', 4096, 4.8, 1000, 68.01),
    'mae_vitb16_800e': ('MAE', 4096, 2.4e-3, 800, 111.9),
    'mae_vitb16_1600e': ('MAE', 4096, 2.4e-3, 1600, 111.9),
    'siamese_im_vitb16_1600e': ('SiameseIM', 4096, 1e-3, 1600, 231.25),
    'siamese_im_vitb16_400e': ('SiameseIM', 4096, 1e-3, 400, 231.25),
    'siamese_im_vitl16_1600e': ('SiameseIM', 4096, 1e-3, 1600, 666.6),
    'barlow_twins_r50_1000e': ('BarlowTwins', 2048, 1.6, 1000, 174.54),
    'barlow_twins_r50_300e': ('BarlowTwins', 2048, 1.6, 300, 174.54),
}
# of the paper's appendix or released code, by path in the config
LARS = {
    'optim_wrapper.optimizer.type': 'LARS',
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 1e-6,
}
PAPER_LARS = LARS | {
    'optim_wrapper.optimizer.type': 'PaperLARS',
    'optim_wrapper.optimizer.trust': 0.001,
    'optim_wrapper.optimizer.eps': 0.0,
    'param_scheduler.0.type': 'WarmupCosineLR',
    'param_scheduler.0.warmup': 10,
    'param_scheduler.0.convert_to_iter_based': True,
    'model.backbone.zero_init_residual': True,
}
SGD = {
    'optim_wrapper.optimizer.type': 'SGD',
    'optim_wrapper.optimizer.momentum': 0.9,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
}
ADAMW = {
    'optim_wrapper.optimizer.type': 'AdamW',
    'param_scheduler.0.type': 'LinearLR',
    'param_scheduler.0.end': 40,
}
VIEW = 'train_dataloader.dataset.pipeline.0.views.0.'
NUMBERS = {
    'mocov1_r50_200e': SGD
    | {
        'model.head.temperature': 0.07,
        'model.neck.type': 'LinearNeck',
        'model.neck.norm_cfg': None,
        'param_scheduler.0.milestones': [120, 160],
        'model.backbone.zero_init_residual': False,
    },
    'mocov2_r50_200e': SGD
    | {
        'model.head.temperature': 0.2,
        'model.queue_len': 65536,
        'model.momentum': 1 - 0.999,
        'model.neck.out_channels': 128,
    },
    'simclr_r50_200e': PAPER_LARS
    | {
        'model.head.temperature': 0.1,
        'model.neck.num_layers': 2,
        'model.neck.out_channels': 128,
        'optim_wrapper.optimizer.lr_in_velocity': True,
        VIEW + 'interpolation': 'bicubic',
    },
    'byol_r50_300e': PAPER_LARS
    | {  # of its 300 epochs: 0.3 x 4096 / 256
        'model.base_momentum': 1 - 0.99,
        'model.neck.hid_channels': 4096,
        'model.neck.out_channels': 256,
        VIEW + 'interpolation': 'bicubic',
    },
    'swav_r50_200e': LARS
    | {
        'model.head.loss.temperature': 0.1,
        'model.head.loss.epsilon': 0.05,
        'model.head.loss.queue_length': 3840,
        'custom_hooks.0.queue_from_epoch': 15,
        'custom_hooks.0.frozen_steps': 5005,
        'param_scheduler.0.eta_min_ratio': 6e-4 / 0.6,
        'model.backbone.zero_init_residual': False,
    },
    'simsiam_r50_100e': SGD
    | {
        'model.neck.num_layers': 3,
        'model.neck.out_channels': 2048,
        'model.head.predictor.hid_channels': 512,
        'custom_hooks.0.type': 'FixedRateHook',
        'optim_wrapper.paramwise_cfg.custom_keys.predictor.fix_lr': True,
    },
    'densecl_r50_200e': SGD
    | {
        'model.head.temperature': 0.2,
        'model.queue_len': 65536,
        'model.momentum': 1 - 0.999,
        'model.loss_lambda': 0.5,
    },
    'mocov3_vitb16_300e': ADAMW
    | {
        'optim_wrapper.optimizer.weight_decay': 0.1,
        'model.head.temperature': 0.2,
        'model.base_momentum': 1 - 0.99,
        'model.neck.num_layers': 3,
        'model.neck.out_channels': 256,
    },
    'mocov3_r50_100e': PAPER_LARS
    | {
        'model.head.temperature': 1.0,
        'model.head.loss.loss_weight': 2.0,
        'model.base_momentum': 1 - 0.99,
        'model.neck.num_layers': 2,
        'model.neck.with_last_bn_affine': False,
        'model.head.predictor.with_last_bn': False,
        VIEW + 'scale': (0.2, 1.0),
    },
    'mocov3_r50_1000e': {
        'optim_wrapper.optimizer.weight_decay': 1.5e-6,
        'model.base_momentum': 1 - 0.996,
    },
    'mae_vitb16_800e': ADAMW
    | {
        'optim_wrapper.optimizer.weight_decay': 0.05,
        'optim_wrapper.optimizer.betas': (0.9, 0.95),
        'model.head.norm_pix': True,
        'model.neck.decoder_depth': 8,
        'model.neck.decoder_embed_dim': 512,
    },
}
MINI = ('mocov2_r18', 'barlow_twins_r18', 'siamese_im_vit_tiny')
OURS = ('siamese_im', 'barlow_twins')


class LinspaceOnCpu(TorchFunctionMode):
    """mmpretrain's ResNet reads numbers from a linspace while building."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.linspace:
            kwargs['device'] = 'cpu'
        return func(*args, **kwargs)


def build_without_memory(config):
    """The model with shapes only."""
    with torch.device('meta'), LinspaceOnCpu():
        return MODELS.build(config.model)


@pytest.mark.parametrize('name', PAPERS)
def test_paper_settings(registered, name):
    kind, batch, lr, epochs, millions = PAPERS[name]
    config = load_config(name)
    model = build_without_memory(config)
    assert type(model).__name__ == kind
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.06)
    assert config.auto_scale_lr.base_batch_size == batch
    assert config.optim_wrapper.optimizer.lr == pytest.approx(lr)
    assert config.train_cfg.max_epochs == epochs
    assert max(s.end for s in config.param_scheduler) == epochs
    assert batch % config.train_dataloader.batch_size == 0
    assert config.method.name


@pytest.mark.parametrize('name', NUMBERS)
def test_recipes_have_the_papers_numbers(name):
    config = load_config(name)
    for path, expected in NUMBERS[name].items():
        value = config
        for key in path.split('.'):
            value = value[int(key) if key.isdigit() else key]
        assert value == (
            expected
            if not isinstance(expected, float)
            else pytest.approx(expected)
        ), path


def test_every_baseline_has_numbers():
    """The longer schedules differ in nothing else."""
    assert {name.rpartition('_')[0] for name in NUMBERS} == {
        name.rpartition('_')[0] for name in PAPERS if not name.startswith(OURS)
    }


@pytest.mark.parametrize('name', [n for n in PAPERS if not n.startswith(OURS)])
def test_baselines_inherit_mmpretrains_recipe(name):
    text = (CONFIGS / f'{name}.py').read_text()
    while 'mmpretrain::' not in text:
        base = text.split("_base_ = '")[1].split("'")[0]
        text = (CONFIGS / base).read_text()
    assert text.count("'mmpretrain::") == 1


@pytest.mark.parametrize('name', MINI)
def test_mini_models_train(registered, name):
    """One step of the optimizer lowers the loss on the same views."""
    from mmengine.optim import build_optim_wrapper

    torch.manual_seed(0)
    config = load_config(f'mini/{name}')
    model = MODELS.build(config.model)
    model.init_weights()
    for module in model.modules():
        if hasattr(module, 'set_total_steps'):
            module.set_total_steps(10)
    views = [torch.randn(16, 3, 64, 64) for _ in range(2)]
    crops = torch.tensor([[0.0, 0, 60, 60], [20, 10, 80, 90]])
    samples = dict(
        crops=crops.expand(16, 2, 4),
        flips=torch.tensor([False, True]).expand(16, 2),
        source_size=torch.tensor([96.0, 100.0]).expand(16, 2),
        mask=(torch.rand(16, 64).argsort(1) < 39).view(16, 8, 8),
    )
    config.optim_wrapper.optimizer.lr *= 0.1  # as within a warm-up
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    losses = []
    for _ in range(3):
        loss = model.loss(views, samples)['loss']
        wrapper.update_params(loss)
        losses.append(float(loss.detach()))
        if name == 'mocov2_r18':  # negatives of the second step and on
            model.queue.copy_(
                torch.nn.functional.normalize(
                    torch.randn_like(model.queue), dim=0
                )
            )
    assert losses[-1] < losses[0]


def test_every_config_of_a_family_is_in_the_table():
    """A new file without expectations would go untested."""
    families = {name.split('_')[0] for name in PAPERS}
    found = {
        path.stem
        for path in CONFIGS.glob('*.py')
        if path.stem.split('_')[0] in families
    }
    assert found == set(PAPERS)


# standard deviation and largest value of first convolution and of linear
# layers, as each released program draws them
HAIKU = 0.8796  # of a normal distribution cut at two deviations
STARTS = {
    'densecl_r50_200e': {
        'backbone.conv1': (2 / 147) ** 0.5,
        'neck.mlp.0': (2 / 2048) ** 0.5,
        'neck.mlp2.0': (1 / 2048 / 3) ** 0.5,
    },
    'byol_r50_300e': {
        'backbone.conv1': HAIKU / 147**0.5,
        'backbone.layer4.2.conv2': HAIKU / (9 * 512) ** 0.5,
        'neck.fc0': HAIKU / 2048**0.5,
        'head.predictor.fc1': HAIKU / 4096**0.5,
    },
    'simclr_r50_200e': {
        'backbone.conv1': 1 / 147**0.5,
        'backbone.layer4.2.conv2': 1 / (9 * 512) ** 0.5,
        'neck.fc0': 0.01,
        'neck.fc1': 0.01,
    },
    'swav_r50_200e': {'backbone.conv1': (2 / 64 / 49) ** 0.5},
    'mocov3_r50_100e': {'neck.fc0': (1 / 2048 / 3) ** 0.5},
}
ZERO = {'densecl': False, 'byol': True, 'simclr': True, 'swav': False}


@pytest.mark.parametrize('name', STARTS)
def test_weights_start_as_in_the_released_programs(registered, name):
    """Spread of the layers, biases, and the last scales of blocks."""
    torch.manual_seed(0)
    model = MODELS.build(load_config(name).model)
    model.init_weights()
    for layer, std in STARTS[name].items():
        layer = model.get_submodule(layer)
        assert float(layer.weight.std()) == pytest.approx(std, rel=0.02)
        limit = {'byol': 2 / HAIKU}.get(name.split('_')[0])
        if limit:
            assert float(layer.weight.abs().max()) <= limit * std
            assert layer.bias is None or not layer.bias.any()
    scale = float(model.backbone.layer1[0].norm3.weight.mean())
    assert scale == (0 if ZERO.get(name.split('_')[0], True) else 1)


def test_simclrs_last_norm_has_no_shift(registered):
    neck = build_without_memory(load_config('simclr_r50_200e')).neck
    trained = {name for name, p in neck.named_parameters() if p.requires_grad}
    assert trained == {
        'fc0.weight',
        'bn0.weight',
        'bn0.bias',
        'fc1.weight',
        'bn1.weight',
    }


def test_barlow_twins_rates_and_groups(registered):
    """Weights 1.6; biases and norms 0.0384 over the 16 processes."""
    from mmengine.optim import build_optim_wrapper

    config = load_config('barlow_twins_r50_1000e')
    model = build_without_memory(config)
    config.optim_wrapper.type = 'OptimWrapper'
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    rates = {1: [], 2: []}
    for group in wrapper.optimizer.param_groups:
        rates[min(group['params'][0].ndim, 2)].append(group['lr'])
    assert len(rates[2]) == 56 and len(rates[1]) == 110
    assert set(rates[2]) == {1.6}
    assert rates[1] == pytest.approx([0.0048 * 8 / 16] * 110)
