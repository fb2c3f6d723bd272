import random

import numpy as np
import pytest
import torch
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader

from ssl_bench.config import load_config
from ssl_bench.data.pretrain_dataset import (
    PretrainDataset,
    StreamSampler,
    random_stream,
    read_rgb,
    require_images,
)
from ssl_bench.errors import UserError

PIPELINE = [
    dict(type='MakeViews', views=[dict(size=16, repeat=2)]),
    dict(type='PackViews'),
]


@pytest.fixture
def dataset(registered, image_folder):
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return PretrainDataset(data_root=str(image_folder), pipeline=PIPELINE)


def first_views(dataset, workers, epoch, seed=0):
    sampler = StreamSampler(dataset, shuffle=True, seed=seed)
    sampler.set_epoch(epoch)
    loader = DataLoader(
        dataset, batch_size=None, sampler=sampler, num_workers=workers
    )
    return torch.stack([item['inputs'][0] for item in loader])


def test_views_depend_on_seed_epoch_and_index_only(dataset):
    alone = first_views(dataset, workers=0, epoch=1)
    np.random.seed(5)
    torch.manual_seed(5)
    assert torch.equal(alone, first_views(dataset, workers=2, epoch=1))
    assert not torch.equal(alone, first_views(dataset, workers=0, epoch=2))
    assert not torch.equal(alone, first_views(dataset, 0, epoch=1, seed=1))


def test_loading_leaves_the_callers_random_state_alone(dataset):
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    dataset[0]
    assert torch.equal(torch.rand(3), wanted)


def test_random_stream_covers_three_generators():
    def draw():
        return random.random(), np.random.rand(), float(torch.rand(()))

    with random_stream(1, 2, 3):
        first = draw()
    with random_stream(1, 2, 3):
        assert draw() == first
    with random_stream(1, 2, 4):
        assert all(a != b for a, b in zip(draw(), first))


def test_sampler_pads_the_epoch_to_whole_batches(dataset):
    sampler = StreamSampler(dataset, shuffle=True, seed=0, batch_size=5)
    indices = list(sampler)
    assert len(indices) == len(sampler) == 15
    assert set(indices) == set(range(12))


def test_sampler_drops_the_incomplete_batch(dataset):
    sampler = StreamSampler(
        dataset, shuffle=True, seed=0, batch_size=5, drop_last=True
    )
    indices = list(sampler)
    assert len(indices) == len(sampler) == len(set(indices)) == 10
    with pytest.raises(UserError, match='12 images .* batch of 13'):
        StreamSampler(dataset, batch_size=13, seed=0, drop_last=True)


@pytest.mark.parametrize(
    'name, iterations',
    [
        ('siamese_im_vitb16_1600e', 312),
        ('barlow_twins_r50_1000e', 625),
        ('pixpro_r50_100e', 1251),
        ('lewel_b_eman_r50_100e', 1251),
        ('lewel_b_r50_400e', 312),
        ('insloc_r50_fpn', 5005),
        ('mocov2_r50_200e', 5004),
        ('densecl_r50_200e', 5004),
        ('simsiam_r50_100e', 5004),
        ('swav_r50_200e', 5004),
        ('mocov3_vitb16_300e', 312),
        ('mae_vitb16_800e', 312),
        ('simclr_r50_200e', 312),
        ('byol_r50_200e', 312),
    ],
)
def test_iterations_of_an_epoch_of_imagenet(
    registered, monkeypatch, name, iterations
):
    """As the methods' released runs count them."""
    config = load_config(name)
    loader = config.train_dataloader
    world = config.auto_scale_lr.base_batch_size // loader.batch_size
    monkeypatch.setattr(
        'mmengine.dataset.sampler.get_dist_info', lambda: (0, world)
    )
    sampler = DATA_SAMPLERS.build(
        loader.sampler,
        default_args=dict(
            dataset=Imagenet(), seed=0, batch_size=loader.batch_size
        ),
    )
    assert len(sampler) == iterations * loader.batch_size


class Imagenet:
    """As many images."""

    def __len__(self):
        return 1281167


def test_backgrounds_come_from_the_same_set(registered, image_folder):
    seen = []
    PretrainDataset(
        data_root=str(image_folder), backgrounds=2, pipeline=[seen.append]
    )[0]
    assert len(seen[0]['backgrounds']) == 2
    for background in seen[0]['backgrounds']:
        assert any(
            np.array_equal(background, read_rgb(str(path)))
            for path in image_folder.glob('*.jpg')
        )


@pytest.mark.parametrize('content', [b'', b'not an image', None])
def test_unreadable_image_is_marked_and_replaced(
    dataset, image_folder, content
):
    broken = image_folder / '03.jpg'
    broken.write_bytes(
        broken.read_bytes()[:400] if content is None else content
    )
    assert dataset[3]['data_samples']['img_path'].endswith('04.jpg')
    assert dataset.unreadable.nonzero().flatten().tolist() == [3]


def test_marks_of_loader_workers_reach_the_main_process(dataset, image_folder):
    (image_folder / '07.jpg').write_bytes(b'broken')
    first_views(dataset, workers=2, epoch=0)
    assert dataset.unreadable.nonzero().flatten().tolist() == [7]


def test_missing_and_empty_folders_are_refused(registered, tmp_path):
    with pytest.raises(UserError, match='ssl-bench data mini'):
        PretrainDataset(data_root=str(tmp_path / 'nowhere'), pipeline=[])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty'):
        PretrainDataset(data_root=str(tmp_path / 'empty'), pipeline=[])


def test_images_are_looked_for_without_listing_them(tmp_path):
    """Also below a data set that wraps others, with a prefix and a list."""
    (tmp_path / 'train').mkdir()
    inner = dict(data_root=str(tmp_path), data_prefix='train')
    require_images(inner)
    require_images(dict(dataset=inner))
    require_images(dict(datasets=[inner, {**inner, 'ann_file': ''}]))
    require_images(
        {**inner, 'data_prefix': {'img_path': 'train'}, 'extensions': ['.x']}
    )
    for wrong, words in (
        ({'data_prefix': 'val'}, f'no folder {tmp_path}/val to pretrain on'),
        ({'data_root': 'none'}, 'no folder none/train.*ssl-bench data mini'),
        ({'ann_file': 'list.txt'}, f'no list {tmp_path}/list.txt of images'),
    ):
        for entry in ({**inner, **wrong}, dict(dataset={**inner, **wrong})):
            with pytest.raises(UserError, match=words):
                require_images(entry)
