"""Colours that change on the device: the pixels of the loader's workers."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmpretrain.models import SelfSupDataPreprocessor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssl_bench import register_all_modules
from ssl_bench.config import config_dir, load_config
from ssl_bench.data.painting import PaintViews, set_painting
from ssl_bench.data.photometric import build_photometric, on_batch, on_image
from ssl_bench.errors import UserError
from tests.devices import GPU

PACK = np.load(Path(__file__).parents[1] / 'data' / 'photometric.npz')
JITTER = dict(
    type='ColorJitter', brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5
)
EVERY_KIND = [
    dict(type='RandomApply', p=0.8, transforms=[JITTER]),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='RandomInvert', p=0.2),
    dict(type='RandomGaussianBlur', sigma=(0.1, 4.0), p=0.7),
    dict(type='RandomSolarize', threshold=127.5, p=0.3),
]
SIZES = [(1, 1), (2, 5), (33, 17), (64, 64)]


def pictures(key='images'):
    """(N, 3, H, W) uint8."""
    return torch.from_numpy(PACK[key]).permute(0, 3, 1, 2)


def difference(one, other):
    """Mean and maximum in levels."""
    levels = (one.cpu().int() - other.cpu().int()).abs()
    return float(levels.float().mean()), int(levels.max())


def batch(size, count=24, seed=0):
    """Photographs and noise of a size."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(
        0, 256, (count, 3, *size), generator=generator, dtype=torch.uint8
    )
    for i, image in enumerate(PACK['images']):
        small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        noise[i] = torch.from_numpy(small).permute(2, 0, 1)
    return noise


def parameters(recipe, count, seed=0):
    torch.manual_seed(seed)
    return torch.stack([recipe.draw() for _ in range(count)])


def in_worker(recipe, images, numbers):
    views = images.permute(0, 2, 3, 1).contiguous().numpy()
    painted = [recipe.on_image(*each) for each in zip(views, numbers)]
    return torch.from_numpy(np.stack(painted)).permute(0, 3, 1, 2)


# largest mean and maximum, as asked of the operations of a worker
@pytest.mark.parametrize(
    'name, argument, mean, largest',
    [
        ('brightness', 'factor', 0, 0),
        ('contrast', 'factor', 0, 0),
        ('saturation', 'factor', 0, 0),
        ('hue', 'factor', 0.55, 8),
        ('blur', 'sigma', 0, 0),
        ('solarize', 'threshold', 0, 0),
    ],
)
def test_operations_give_pillows_pixels(name, argument, mean, largest):
    values = torch.from_numpy(PACK[f'{name}/{argument}'].astype(float))
    images = pictures().contiguous()
    if name in ('blur', 'solarize'):
        numbers = torch.stack([torch.ones_like(values), values], 1)
        getattr(on_batch, name)(images, numbers)
    else:
        images = getattr(on_batch, name)(images, values)
    found = difference(images, pictures(f'{name}/out'))
    assert found[0] <= mean and found[1] <= largest, found


@pytest.mark.parametrize('kind', ['brightness', 'contrast', 'saturation'])
def test_blends_are_equal_where_float32_decides(kind):
    """Factors whose products with levels are whole numbers, or nearly."""
    factors = [0.0, 1.0, 0.5, 0.2, 0.6, 1.4, 1 / 3, 1.25, 2.0, 1 + 1e-7]
    images = batch((16, 16), len(factors) + 16)[: len(factors)]
    got = getattr(on_batch, kind)(images, torch.tensor(factors).double())
    for image, factor, one in zip(images, factors, got):
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        wanted = getattr(on_image, kind)(pixels, factor)
        assert np.array_equal(one.permute(1, 2, 0).numpy(), wanted), factor


def test_every_hue_of_every_colour_agrees():
    """A sample of the 2**24 colours, with each of the 256 shifts."""
    colours = torch.arange(0, 2**24, 97, dtype=torch.int32)[: 256 * 640]
    images = torch.stack(
        [colours >> 16, colours >> 8 & 255, colours & 255], -1
    ).view(256, 20, 32, 3)
    images = images.byte()
    shifts = (torch.arange(256).double() - 127.5) / 255
    got = on_batch.hue(images.permute(0, 3, 1, 2), shifts)
    for image, shift, one in zip(images, shifts.tolist(), got):
        wanted = on_image.hue(image.numpy(), shift)
        assert np.array_equal(one.permute(1, 2, 0).numpy(), wanted)


def test_boxes_of_many_blurs_are_those_of_each():
    sigmas = torch.rand(500, dtype=torch.float64).numpy() * 5
    wanted = [on_image.box_weights(sigma) for sigma in sigmas.tolist()]
    assert [*zip(*on_image.box_weights(sigmas))] == wanted


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('seed', range(3))
def test_chains_agree(size, seed):
    recipe = build_photometric(EVERY_KIND)
    images = batch(size, seed=seed)
    before = images.clone()
    numbers = parameters(recipe, len(images), seed)
    got = recipe.on_batch(images, numbers)
    assert torch.equal(images, before)
    assert difference(got, in_worker(recipe, images, numbers))[1] == 0


def test_a_batch_of_many_parts_is_painted_whole(monkeypatch):
    recipe = build_photometric(EVERY_KIND)
    images = batch((8, 9))
    numbers = parameters(recipe, len(images))
    whole = recipe.on_batch(images, numbers)
    monkeypatch.setattr(on_batch, 'AT_ONCE', 1)
    assert torch.equal(recipe.on_batch(images, numbers), whole)
    for i in range(len(images)):
        one = recipe.on_batch(images[i : i + 1], numbers[i : i + 1])
        assert torch.equal(one[0], whole[i])


def test_any_layout_of_memory_gives_the_same():
    recipe = build_photometric(EVERY_KIND)
    images = batch((12, 10))
    numbers = parameters(recipe, len(images))
    wanted = recipe.on_batch(images, numbers)
    last = images.to(memory_format=torch.channels_last)
    assert torch.equal(recipe.on_batch(last, numbers), wanted)


RECIPES = [
    path.relative_to(config_dir()).with_suffix('').as_posix()
    for folder in ('.', 'mini')
    for path in sorted((config_dir() / folder).glob('*.py'))
]


@pytest.fixture(scope='module')
def seen():
    return set()


@pytest.mark.parametrize('name', RECIPES)
def test_every_config_paints_alike(name, seen):
    """The recipes of its views, on photographs."""
    register_all_modules()
    config = load_config(name)
    if str(config.train_dataloader.dataset.pipeline) in seen:
        return  # those of a config before it
    seen.add(str(config.train_dataloader.dataset.pipeline))
    painter = set_painting(config, 'cuda')
    if painter is None:
        return  # no colours
    images = batch((56, 72), 16)
    for i, recipe in enumerate(painter.recipes):
        numbers = parameters(recipe, 16, i)
        got = recipe.on_batch(images, numbers)
        assert difference(got, in_worker(recipe, images, numbers))[1] == 0


class NoWaiting(TorchDispatchMode):
    """Refuse copies from a device, and copies to it that wait."""

    copies = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        kinds = {
            leaf.device.type
            for leaf in tree_leaves((args, kwargs, out))
            if isinstance(leaf, torch.Tensor) and leaf.ndim
        }
        if len(kinds) > 1:
            assert func.overloadpacket is torch.ops.aten._to_copy, func
            assert kwargs['non_blocking'] and out.device.type == 'meta'
            self.copies += 1
        return out


def test_painting_never_waits_for_the_device():
    """On a device whose tensors have no numbers that could be read."""
    recipe = build_photometric(EVERY_KIND)
    images = batch((16, 16)).to('meta')
    numbers = parameters(recipe, len(images))
    on_batch.hue_tables(images.device)
    with NoWaiting() as mode:
        painted = recipe.on_batch(images, numbers)
    assert painted.shape == images.shape and painted.device.type == 'meta'
    assert mode.copies > 10


@pytest.mark.parametrize('device', [GPU])
def test_a_gpu_gives_the_pixels_of_the_cpu(device):
    recipe = build_photometric(EVERY_KIND)
    images = batch((64, 48), 64)
    numbers = parameters(recipe, len(images))
    wanted = recipe.on_batch(images, numbers)
    there = images.to(device)
    recipe.on_batch(there, numbers)  # makes the tables of hues
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode('error')
    try:
        got = recipe.on_batch(there, numbers)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert torch.equal(got.cpu(), wanted)


def a_config(folder, *others, colours=EVERY_KIND, **settings):
    return Config(
        dict(
            train_dataloader=dict(
                dataset=dict(
                    type='PretrainDataset',
                    data_root=str(folder),
                    pipeline=[
                        dict(
                            type='MakeViews',
                            views=[
                                dict(size=24, repeat=2, photometric=colours),
                                dict(size=16),
                            ],
                        ),
                        *others,
                        dict(type='PackViews'),
                    ],
                )
            ),
            **settings,
        )
    )


@pytest.mark.parametrize(
    'setting, device, on_device',
    [
        ('auto', 'cpu', False),
        ('auto', 'cuda', True),
        ('auto', 'npu', True),
        ('worker', 'cuda', False),
        ('device', 'cpu', True),
    ],
)
def test_where_colours_change(registered, setting, device, on_device):
    config = a_config('x', photometric=setting)
    painter = set_painting(config, device)
    assert (painter is not None) == on_device
    step = config.train_dataloader.dataset.pipeline[0]
    assert step.painted != on_device
    if painter:
        widths = [recipe.width for recipe in painter.recipes]
        assert widths == [widths[0]] * 2 + [0]


def test_data_sets_in_another_have_one_pipeline(registered):
    """`ConcatDataset` and `RepeatDataset` of the toolkit."""
    config = a_config('x', photometric='device')
    loader = config.train_dataloader
    sets = [copy.deepcopy(loader.dataset) for _ in range(2)]
    inner = dict(type='ConcatDataset', datasets=sets)
    loader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    assert len(set_painting(config, 'cpu').recipes) == 3
    sets = loader.dataset.dataset.datasets
    assert not any(one.pipeline[0].painted for one in sets)
    del sets[0].pipeline[0]
    with pytest.raises(UserError, match='have different pipelines'):
        set_painting(config, 'cpu')
    loader.dataset = dict(type='PretrainDataset')
    with pytest.raises(UserError, match='has no pipeline'):
        set_painting(config, 'cpu')


def test_views_without_colours_are_left_alone(registered):
    config = a_config('x', colours=[], photometric='device')
    assert set_painting(config, 'cuda') is None


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(photometric='gpu'), 'gpu'),
        (dict(photometric=[dict(type='ColorJitter')]), 'own variable'),
        (dict(colours=[dict(type='RandomPosterize', bits=4)]), 'workers only'),
        (dict(colours=[torch.clone]), 'workers only'),
    ],
)
def test_what_cannot_change_later_is_refused(registered, change, words):
    config = a_config('x', **{'photometric': 'device'} | change)
    with pytest.raises(UserError, match=words):
        set_painting(config, 'cuda')
    if 'colours' in change:  # the workers can
        config.photometric = 'auto'
        assert set_painting(config, 'cuda') is None
        assert config.train_dataloader.dataset.pipeline[0].painted


def test_a_transform_that_could_see_pixels_is_refused(registered):
    flip = dict(type='RandomFlip', prob=0.5)
    config = a_config('x', flip, photometric='device')
    with pytest.raises(UserError, match='RandomFlip after the views'):
        set_painting(config, 'cuda')
    config = a_config('x', photometric='device')
    config.train_dataloader.dataset.pipeline = [dict(type='PackInputs')]
    with pytest.raises(UserError, match='MakeViews'):
        set_painting(config, 'cuda')


def test_batches_without_parameters_are_refused():
    painter = PaintViews([build_photometric(EVERY_KIND)])
    preprocessor = SelfSupDataPreprocessor()
    painter.attach(preprocessor)
    data = dict(inputs=[batch((8, 8))], data_samples=None)
    with pytest.raises(UserError, match='no parameters'):
        preprocessor(data, True)
    preprocessor(data, training=False)  # has views of its own


def loaded(config, epoch=0):
    """The items of a config's data set."""
    from mmpretrain.registry import DATASETS

    dataset = DATASETS.build(config.train_dataloader.dataset)
    dataset.seed = 5
    count = len(dataset)
    return [dataset[epoch * count + i] for i in range(count)]


def both_ways(config):
    """Batches of a data preprocessor: painted by workers, and by it."""
    batches = []
    for setting in ('worker', 'device'):
        own = copy.deepcopy(config)
        own.photometric = setting
        painter = set_painting(own, 'cpu')
        preprocessor = SelfSupDataPreprocessor(mean=[0.0] * 3, std=[1.0] * 3)
        if painter:
            painter.attach(preprocessor)
        data = default_collate(loaded(own))
        batches.append((data, preprocessor(copy.copy(data), training=True)))
    return batches


def test_the_same_seed_gives_the_same_views_both_ways(
    registered, image_folder
):
    (_, worker), (raw, device) = both_ways(a_config(image_folder))
    for one, other in zip(worker['inputs'], device['inputs'], strict=True):
        assert difference(one, other)[1] == 0
    bare = raw['inputs'][0].permute(0, 3, 1, 2)
    assert difference(bare, device['inputs'][0])[0] > 5
    assert worker['data_samples']['flips'].any()
    assert [len(rows) for rows in raw['photometric']] == [12] * 3
    for name in ('crops', 'flips'):
        one, other = (b['data_samples'][name] for b in (worker, device))
        assert torch.equal(one, other)


def test_the_views_of_insloc_too(registered, image_folder):
    """Their colours change after pasting; the mirror may come before."""
    config = a_config(image_folder)
    dataset = config.train_dataloader.dataset
    dataset.backgrounds = 2
    dataset.pipeline = [
        dict(
            type='InsLocViews',
            canvas=(64, 64),
            size_range=(32, 63),
            photometric=EVERY_KIND,
        ),
        dict(type='PackViews', fields=('flips', 'boxes', 'augmented_box')),
    ]
    (_, worker), (_, device) = both_ways(config)
    assert worker['data_samples']['flips'].any()
    for one, other in zip(worker['inputs'], device['inputs'], strict=True):
        assert difference(one, other)[1] == 0
    for name in ('boxes', 'augmented_box'):
        one, other = (b['data_samples'][name] for b in (worker, device))
        assert torch.equal(one, other)


def test_a_mirror_before_the_colours_is_one_after():
    recipe = build_photometric(EVERY_KIND)
    images = batch((20, 31))
    numbers = parameters(recipe, len(images))
    before = recipe.on_batch(images.flip(-1), numbers)
    assert torch.equal(before, recipe.on_batch(images, numbers).flip(-1))
