"""mmpretrain's recipes read ImageNet through our data set."""

import copy
import json
import math
import random

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, DefaultScope
from PIL import Image

from ssl_bench.config import load_config
from ssl_bench.engine.pretrain import pretrain
from tests.methods.test_baselines import OURS, PAPERS

pytestmark = pytest.mark.slow

BASELINES = [name for name in PAPERS if not name.startswith(OURS)]
VIEWS = {
    'swav_r50_200e': [224] * 2 + [96] * 6,
    'mae_vitb16_800e': [224],
    'mae_vitb16_1600e': [224],
}


@pytest.fixture
def folder(tmp_path, photo):
    """Three lossless images, which every reader decodes alike."""
    for i in range(3):
        Image.fromarray(photo[i * 90 : i * 90 + 240, :260]).save(
            tmp_path / f'{i}.png'
        )
    return tmp_path


def dataset_of(config, folder):
    from mmpretrain.registry import DATASETS

    settings = copy.deepcopy(config.train_dataloader.dataset)
    settings.data_root = str(folder)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(settings)


def inputs_of(item):
    inputs = item['inputs']
    return inputs if isinstance(inputs, list) else [inputs]


@pytest.mark.parametrize('name', BASELINES)
def test_views_are_those_of_the_recipe(registered, folder, name):
    """Sizes, draws by (seed, epoch, index) alone, broken files replaced."""
    config = load_config(name)
    assert config.train_dataloader.sampler.type == 'StreamSampler'
    assert 'ssl_bench.data.transforms' in config.custom_imports.imports
    dataset = dataset_of(config, folder)
    first = inputs_of(dataset[0])
    assert [view.shape for view in first] == [
        (3, side, side) for side in VIEWS.get(name, [224, 224])
    ]
    assert all(view.dtype == torch.uint8 for view in first)
    random.seed(7)
    np.random.seed(7)
    again = inputs_of(dataset[0])
    assert all(map(torch.equal, first, again))
    later = inputs_of(dataset[3])  # the same image in the next epoch
    assert not torch.equal(first[0], later[0])
    (folder / '0.png').write_bytes(b'broken')
    assert dataset[0]['data_samples']['img_path'].endswith('1.png')
    assert dataset.unreadable.tolist() == [True, False, False]


VIEWS_64 = {'train_dataloader.dataset.pipeline.MakeViews.views.*.size': 64}
VIT = VIEWS_64 | {
    'model.backbone.img_size': 64,
    'model.backbone.arch': dict(
        _delete_=True,
        embed_dims=48,
        num_layers=2,
        num_heads=3,
        feedforward_channels=96,
    ),
}
RESNET = VIEWS_64 | {
    'model.backbone.depth': 18,
    'model.backbone.base_channels': 4,
    'model.backbone.stem_channels': 4,
    'model.neck.in_channels': 32,
}
HIDDEN = {'model.neck.hid_channels': 16}
PREDICTOR = HIDDEN | {
    'model.neck.out_channels': 24,
    'model.head.predictor.in_channels': 24,
    'model.head.predictor.hid_channels': 16,
    'model.head.predictor.out_channels': 24,
}
QUEUE = {'model.queue_len': 8}
SMALL = {
    'mocov1_r50_200e': RESNET | QUEUE,
    'mocov2_r50_200e': RESNET | HIDDEN | QUEUE,
    'simclr_r50_200e': RESNET | HIDDEN,
    'byol_r50_200e': RESNET | PREDICTOR,
    'swav_r50_200e': RESNET
    | HIDDEN
    | {
        'model.head.loss.queue_length': 8,
        'model.head.loss.num_prototypes': 30,
        'custom_hooks.0.queue_from_epoch': 0,
        'custom_hooks.0.frozen_steps': 1,
    },
    'simsiam_r50_100e': RESNET | PREDICTOR,
    'densecl_r50_200e': RESNET | HIDDEN | QUEUE,
    'mocov3_r50_100e': RESNET | PREDICTOR,
    'mocov3_vitb16_300e': VIT | PREDICTOR | {'model.neck.in_channels': 48},
    'mae_vitb16_800e': VIEWS_64
    | {
        'model.backbone.arch': 'deit-tiny',
        'model.backbone.img_size': 64,
        'model.neck.num_patches': 16,
        'model.neck.embed_dim': 192,
        'model.neck.decoder_embed_dim': 32,
        'model.neck.decoder_depth': 1,
    },
}


def small(name, image_folder, epochs):
    """A recipe with a model for a test, on twelve images."""
    config = load_config(
        name,
        SMALL[name]
        | {
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.pin_memory': False,
            'train_dataloader.dataset.data_root': str(image_folder),
            'train_cfg.max_epochs': epochs,
            'default_hooks.checkpoint.interval': 1,
        },
    )
    config.log_level = 'ERROR'
    config.param_scheduler = [
        dict(type='CosineAnnealingLR', T_max=2, by_epoch=True, begin=0, end=2)
    ]
    return config


@pytest.mark.parametrize('name', SMALL)
def test_every_baseline_trains(registered, image_folder, tmp_path, name):
    config = small(name, image_folder, 1)
    pretrain(config, tmp_path)
    rows = [
        json.loads(line)
        for line in next(tmp_path.glob('*/vis_data/scalars.json'))
        .read_text()
        .splitlines()
    ]
    assert math.isfinite(rows[-1]['loss']) and rows[-1]['step'] == 3
    assert rows[-1]['feature_std'] > 0.001


@pytest.mark.parametrize('name', ['mocov3_vitb16_300e', 'mae_vitb16_800e'])
@pytest.mark.parametrize('amp', [False, True])
def test_mixed_precision_is_left_out_or_becomes_bfloat16(
    registered, image_folder, tmp_path, name, amp
):
    """On a CPU; the recipe's own takes an accelerator, and scales losses."""
    config = small(name, image_folder, 1)
    assert config.optim_wrapper.type == 'AmpOptimWrapper'
    config.log_level = 'WARNING'
    config.speed = dict(amp=amp or 'auto')
    checkpoint = pretrain(config, tmp_path)
    kind = 'BFloat16OptimWrapper' if amp else 'OptimWrapper'
    assert config.optim_wrapper.type == kind
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert ('in single precision' in log) != amp
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    assert all(value.isfinite().all() for value in weights.values())


def test_a_baseline_resumes_bit_for_bit(registered, image_folder, tmp_path):
    name = 'mocov2_r50_200e'
    assert small(name, image_folder, 2).randomness.seed is None  # mmpretrain's
    straight = pretrain(small(name, image_folder, 2), tmp_path / 'straight')
    resumed = pretrain(
        small(name, image_folder, 2),
        tmp_path / 'halves',
        resume=str(tmp_path / 'straight/epoch_1.pth'),
    )
    one, two = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (straight, resumed)
    )
    assert all(torch.equal(one[key], two[key]) for key in one)


rates = []


@HOOKS.register_module()
class KeepRates(Hook):
    """Rates of the predictor and of the rest, step by step."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        groups = runner.optim_wrapper.optimizer.param_groups
        rates.append(
            tuple(
                {
                    group['lr']
                    for group in groups
                    if bool(group.get('fix_lr')) is fixed
                }
                for fixed in (True, False)
            )
        )


def test_simsiams_predictor_keeps_the_scaled_rate(
    registered, image_folder, tmp_path
):
    """0.05 for 256 images, so 0.05 / 64 for four, also in the last epoch."""
    rates.clear()
    config = small('simsiam_r50_100e', image_folder, 2)
    config.auto_scale_lr.enable = True
    config.custom_hooks.append(dict(type='KeepRates'))
    pretrain(config, tmp_path)
    scaled = 0.05 * 4 / 256
    assert len(rates) == 6
    assert all(fixed == {scaled} for fixed, _ in rates)
    assert rates[0][1] == {scaled}
    (last,) = rates[-1][1]
    assert last == pytest.approx(scaled / 2)


def test_every_recipe_is_among_the_small_ones():
    """The longer schedules differ in nothing else."""
    assert {name.rpartition('_')[0] for name in SMALL} == {
        name.rpartition('_')[0] for name in BASELINES
    }
