"""Every mini config: 32 images are learnt, nothing collapses, runs resume.

Networks of half the mini width and views of 64 pixels, fixed once, so that
200 iterations take seconds.
"""

import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from PIL import Image

from ssl_bench.config import config_dir, load_config
from ssl_bench.engine.collapse import pooled, spread
from ssl_bench.engine.pretrain import pretrain

pytestmark = pytest.mark.slow

NARROW = {'model.backbone.base_channels': 8}
STEM = NARROW | {'model.backbone.stem_channels': 8}
HEADS = STEM | {'model.neck.in_channels': 64}
# what makes the config smaller; part of its first loss that may remain after
# 200 iterations; least spread of the features (1 is even, 0 is collapse)
CASES = {
    'pixpro_r18': (HEADS, -2.0, 0.3),
    'pixcontrast_r18': (HEADS, 0.3, 0.3),
    'lewel_b_r18': (HEADS, 0.3, 0.3),
    # from here on negatives are the images' own older keys: ln 2 remains
    'lewel_m_r18': (HEADS | {'model.queue_len': 32}, 0.6, 0.3),
    'mocov2_r18': (HEADS | {'model.queue_len': 32}, 0.5, 0.3),
    'insloc_r18_fpn': (
        NARROW
        | {
            'model.queue_length': 32,
            'model.neck.in_channels': [8, 16, 32, 64],
        },
        0.5,
        0.3,
    ),
    'insloc_r18_c4': (
        NARROW
        | {
            'model.queue_length': 32,
            'model.roi_head.shared_head.base_channels': 8,
            'model.roi_head.bbox_head.in_channels': 64,
        },
        0.6,
        0.2,
    ),
    'barlow_twins_r18': (HEADS, 0.5, 0.2),
    'siamese_im_vit_tiny': ({'model.backbone.arch.num_layers': 2}, 0.5, 0.2),
}


def small(name, folder):
    """The config with a model for a test, on a folder of images."""
    config = load_config(f'mini/{name}', CASES[name][0])
    loader = config.train_dataloader
    loader.update(batch_size=8, num_workers=0, persistent_workers=False)
    loader.dataset.data_root = str(folder)
    for view in loader.dataset.pipeline[0].get('views', []):
        view.size = 64
    return config


def forty_images(folder):
    """Write images cut out of a photograph, and return the folder."""
    from skimage import data

    photo = data.astronaut()
    for i in range(40):
        top, left = 60 * (i // 8), 50 * (i % 8)
        Image.fromarray(photo[top : top + 100, left : left + 100]).save(
            folder / f'{i:02d}.jpg'
        )
    return folder


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return forty_images(tmp_path_factory.mktemp('images'))


def fixed_batches(config, preprocessor):
    """Thirty-two images' views, drawn once, in four batches."""
    from mmpretrain.registry import DATASETS

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    items = [dataset[i] for i in range(32)]
    return [
        preprocessor(default_collate(items[i : i + 8]), True)
        for i in range(0, 32, 8)
    ]


def features_of(model, batches):
    """What the collapse monitor sees of the query's network."""
    found = []
    handle = model.backbone.register_forward_hook(
        lambda module, args, output: found.append(pooled(output))
    )
    first = []
    with torch.no_grad():
        for data in batches:
            found.clear()
            model(**data, mode='loss')
            first.append(found[0])
    handle.remove()
    return torch.cat(first)


def built(config):
    from mmpretrain.registry import MODELS

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        torch.manual_seed(0)
        model = MODELS.build(
            {'data_preprocessor': config.data_preprocessor} | config.model
        )
        model.init_weights()
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    for module in model.modules():
        if hasattr(module, 'set_total_steps'):
            module.set_total_steps(200)
    return model, wrapper


@pytest.mark.parametrize('name', CASES)
def test_learns_32_images_and_does_not_collapse(registered, folder, name):
    _, remaining, least = CASES[name]
    config = small(name, folder)
    model, wrapper = built(config)
    batches, losses = fixed_batches(config, model.data_preprocessor), []
    for step in range(200):
        loss, _ = model.parse_losses(model(**batches[step % 4], mode='loss'))
        wrapper.update_params(loss)
        losses.append(float(loss))
    last = sum(losses[-4:]) / 4
    std, rank = spread(features_of(model, batches))
    if remaining < 0:  # a cosine with a lower bound of -4 instead of 0
        assert last < remaining
    else:
        assert last < remaining * max(losses[:8])
    assert std > least and rank > 4


@pytest.mark.parametrize('name', CASES)
def test_ten_and_ten_iterations_equal_twenty(
    registered, folder, tmp_path, name
):
    """Through the runner: model, key encoder, queue, optimizer, schedule."""

    def config():
        config = small(name, folder)
        config.train_dataloader.batch_size = 4
        config.train_cfg.max_epochs = 2
        config.default_hooks.checkpoint.interval = 1
        config.log_level = 'ERROR'
        return config

    straight = pretrain(config(), tmp_path / 'straight')
    first = tmp_path / 'straight/epoch_1.pth'
    resumed = pretrain(config(), tmp_path / 'halves', resume=str(first))
    assert resumed != straight
    one, two, before = (
        torch.load(path, weights_only=False)
        for path in (straight, resumed, first)
    )
    assert (before['meta']['iter'], one['meta']['iter']) == (10, 20)
    assert one['state_dict'].keys() == two['state_dict'].keys()
    for key, value in one['state_dict'].items():
        assert torch.equal(value, two['state_dict'][key]), key
    moved = {
        key
        for key, value in one['state_dict'].items()
        if not torch.equal(value, before['state_dict'][key])
    }
    assert any(key.startswith('backbone.') for key in moved)
    if 'target.step' in one['state_dict']:
        assert any(
            key.startswith('target.') for key in moved - {'target.step'}
        )
        steps = [
            int(run['state_dict']['target.step']) for run in (before, one)
        ]
        assert steps[1] - steps[0] == 10
    assert str(one['optimizer']) == str(two['optimizer'])
    assert one['param_schedulers'] == two['param_schedulers']


def test_every_mini_config_is_here():
    found = {path.stem for path in (config_dir() / 'mini').glob('*.py')}
    assert found == set(CASES)
