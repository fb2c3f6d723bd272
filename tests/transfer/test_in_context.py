"""In-context segmentation: the memory, its views, and whole runs."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope

from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.in_context import shares_of
from ssl_bench.toolbox.in_context_views import (
    AreaCrop,
    ColourShift,
    draw_crop,
    set_draws,
)
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.probe_scores import in_context
from ssl_bench.transfer.probe_scores.in_context import memory, retrieved
from ssl_bench.transfer.probe_scores.patch_data import Patches
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone
from tests.processes import run_in_processes, under_torchrun
from tests.timm_tiny import TINY, source_of

GOLDEN = np.load(Path(__file__).parents[1] / 'data' / 'frozen_dense.npz')
DRAWN_WITH = 5  # the seed of torch's generator that gives `uniform_draws`
RULES = dict(
    classes=5,
    k=6,
    temperature=0.02,
    void_class=0,
    ignore=[255],
    variant='all_classes',
)


def get(name):
    return torch.from_numpy(GOLDEN[f'hb/{name}'])


@pytest.fixture
def splits():
    def split(name):
        rows = get(f'{name}_feats').flatten(0, 1)
        masks = get(f'{name}_mask').to(torch.uint8)
        return Features(rows, masks, (4, 4))

    return split('train'), split('val')


def test_the_whole_probe_gives_the_official_numbers(splits):
    found = in_context(*splits, **RULES, memory_size=None, seed=0)
    assert found['mIoU'] == pytest.approx(100 * float(get('miou_identity')))
    assert found['mIoU_matched'] == pytest.approx(
        100 * float(get('miou_hungarian_as_shipped'))
    )
    assert found['memory/patches'] == 64


def test_soft_labels_of_the_whole_memory(splits):
    train, test = splits
    (found,) = retrieved(Patches(train), test, [slice(0, 2)], 6, 0, 5, 0.02)
    wanted = get('soft_labels').reshape(2, 4, 4, 5)
    assert torch.allclose(found, wanted, rtol=0, atol=2e-5)


def test_a_bounded_memory_is_the_official_one(splits):
    """Of each image five patches, by draws of the run's seed."""
    train, test = splits
    draws = torch.rand(64, generator=torch.Generator().manual_seed(DRAWN_WITH))
    assert torch.equal(draws, get('uniform_draws'))
    bank = Patches(train)
    bank.rows = memory(bank, 5, int(get('bounded_memory_size')), 0, DRAWN_WITH)
    shares = shares_of(bank.labels(torch.arange(20)), 5)
    for own, wanted in zip(
        shares.split(5), get('bounded_label_memory').split(5)
    ):  # the order in which an image's patches are kept decides nothing
        one, other = (np.array(sorted(x.tolist())) for x in (own, wanted))
        assert one == pytest.approx(other)
    parts = [slice(0, 1), slice(1, 2)]
    found = torch.cat(retrieved(bank, test, parts, 6, 0, 5, 0.02))
    wanted = get('bounded_soft_labels').reshape(2, 4, 4, 5)
    assert torch.allclose(found, wanted, rtol=0, atol=2e-5)
    whole = in_context(*splits, **RULES, memory_size=20, seed=DRAWN_WITH)
    other = in_context(*splits, **RULES, memory_size=20, seed=0)
    assert whole['memory/patches'] == 20
    assert whole['mIoU'] != other['mIoU']


def test_void_is_a_class_in_the_memory_and_ignored_in_the_test(splits):
    train, test = splits
    masks = train.labels.clone()
    masks[masks == 3] = 255
    named = masks.clone()
    named[named == 255] = 2
    rules = {**RULES, 'void_class': 2}
    one, other = (
        in_context(
            train._replace(labels=labels),
            test,
            **rules,
            memory_size=None,
            seed=0,
        )
        for labels in (masks, named)
    )
    assert one == other
    hidden = test.labels.clone()
    hidden[:, :6] = 255
    upper = in_context(
        train, test._replace(labels=hidden), **RULES, memory_size=None, seed=0
    )
    assert (
        upper['mIoU']
        != in_context(*splits, **RULES, memory_size=None, seed=0)['mIoU']
    )


def test_test_masks_without_a_label_that_counts(splits):
    train, test = splits
    void = test._replace(labels=torch.full_like(test.labels, 255))
    for ignore, message in (
        ([255], 'no pixel of the test images has a label that counts'),
        ([0], r'test masks have the label 255, .*=\[0\] if it does not'),
    ):
        with pytest.raises(UserError, match=message):
            in_context(
                train,
                void,
                **{**RULES, 'ignore': ignore},
                memory_size=None,
                seed=0,
            )


def test_more_neighbours_than_patches(splits):
    for size, k in ((None, 65), (20, 21)):
        with pytest.raises(UserError, match='of a memory of (64|20) patches'):
            in_context(*splits, **{**RULES, 'k': k}, memory_size=size, seed=0)


def test_crops_have_the_areas_and_aspects_of_the_range():
    """They are drawn again until they lie inside; else all of the image."""
    rng = np.random.default_rng(0)
    crops = np.array(
        [
            draw_crop(200, 150, (0.5, 2.0), (3 / 4, 4 / 3), rng)
            for _ in range(500)
        ]
    )
    x, y, w, h = crops.T
    assert (x >= 0).all() and (x + w <= 200).all()
    assert (y >= 0).all() and (y + h <= 150).all()
    area, aspect = w * h / 30000, w / h
    assert area.min() >= 0.49 and area.max() <= 1
    assert aspect.min() >= 0.74 and aspect.max() <= 1.35
    assert len(np.unique(x)) > 20 and len(np.unique(y)) > 20
    # twice the area never fits: the whole image, within the aspects
    assert draw_crop(200, 150, (2, 2), (1, 1), rng) == (25, 0, 150, 150)


def view(step, name='a/b.jpg', **settings):
    values = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
    results = dict(
        img_path=name,
        img=np.stack([values] * 3, axis=-1),
        gt_seg_map=values.copy(),
    )
    return step(**settings).transform(results)


def test_image_and_mask_have_one_crop_which_the_seed_decides():
    settings = dict(
        size=32, area=(0.5, 2.0), aspect=(0.75, 4 / 3), interpolation='nearest'
    )
    one = view(AreaCrop, seed=1, **settings)
    assert one['img'].shape == (32, 32, 3)
    assert np.array_equal(one['img'][..., 0], one['gt_seg_map'])
    again = view(AreaCrop, 'elsewhere/b.jpg', seed=1, **settings)
    assert np.array_equal(one['img'], again['img'])
    for other in (
        view(AreaCrop, seed=2, **settings),
        view(AreaCrop, seed=1, epoch=1, **settings),
        view(AreaCrop, 'a/c.jpg', seed=1, **settings),
    ):
        assert not np.array_equal(one['img'], other['img'])
    with pytest.raises(ValueError, match='no seed'):
        view(AreaCrop, **settings)


def test_colours_change_as_often_and_as_much_as_is_said():
    before = view(ColourShift, seed=0, strength=0.1, prob=0.0)['img']
    assert np.array_equal(
        before[..., 0],
        view(ColourShift, seed=0, strength=0.1, prob=0.0)['gt_seg_map'],
    )
    changed = [
        np.abs(
            view(ColourShift, seed=i, strength=0.1, prob=0.5)['img'].astype(
                int
            )
            - before
        ).max()
        for i in range(64)
    ]
    # of a grey image brightness and contrast alone change something
    assert 0.55 < np.mean(np.array(changed) > 0) < 0.95
    assert max(changed) <= 0.1 * 255 + 0.1 * 255 + 3


def test_every_epoch_has_its_views(registered, mini_root):
    config = make_plan('mini_incontext', data_root=str(mini_root)).config
    data = set_draws(config.train_dataloader.dataset, seed=0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        once, twice = (
            DATASETS.build(dict(data, epochs=epochs)) for epochs in (1, 2)
        )
    count = len(once)
    assert len(twice) == 2 * count
    first, later = twice[0]['inputs'], twice[count]['inputs']
    assert torch.equal(once[0]['inputs'], first)
    assert not torch.equal(first, later)


@pytest.mark.parametrize(
    'task', ['voc12_incontext_hbird', 'ade20k_incontext_hbird']
)
def test_the_protocol_is_said(task):
    config, ade = load_config(f'transfer/{task}'), task.startswith('ade')
    assert config.probe == dict(
        type='in_context',
        maps=dict(
            layers='last',
            stages=(4,),
            final_norm=True,
            class_token=False,
            padding='none',
        ),
        precision='float16',
        k=30,
        temperature=0.02,
        memory_size=10240000,
        void_class=0,
        variant='all_classes',
        classes=151 if ade else 21,
        ignore=[0] if ade else [255],
    )
    memory = config.train_dataloader.dataset
    assert memory.epochs == 1
    parts = memory.dataset.get('datasets', [memory.dataset])
    assert len(parts) == (1 if ade else 2)
    for part in parts:
        load, mask, crop, colour, _ = part.pipeline
        assert mask.reduce_zero_label is False
        assert crop == dict(
            type='AreaCrop',
            size=224,
            area=(0.5, 2.0),
            aspect=(3 / 4, 4 / 3),
            interpolation='bilinear',
        )
        assert colour == dict(type='ColourShift', strength=0.1, prob=0.5)
    resize = config.test_dataloader.dataset.pipeline[2]
    assert (resize.scale, resize.keep_ratio) == ((224, 224), False)
    larger = make_plan(task, recipe='side518').config
    assert larger.test_dataloader.dataset.pipeline[2].scale == (518, 518)
    inner = larger.train_dataloader.dataset.dataset
    for part in inner.get('datasets', [inner]):
        assert part.pipeline[2].size == 518


def test_pixels_are_the_protocols_for_networks_of_imagenets():
    task = 'voc12_incontext_hbird'
    pixels = make_plan(task, to_header(TINY['dinov2_reg'])).config
    assert pixels.data_preprocessor.std == pytest.approx(
        [255 * value for value in (0.229, 0.224, 0.255)]
    )
    own = TimmNet(**{**TINY['dino'].__dict__, 'mean': (0.5, 0.5, 0.5)})
    plan = make_plan(task, to_header(own))
    assert plan.config.data_preprocessor.mean == [127.5, 127.5, 127.5]
    assert any('pixels as in pretraining' in text for text in plan.changes)


def test_a_step_can_leave_adeks_labels_as_they_are(tmp_path):
    from PIL import Image

    from ssl_bench.toolbox.load_masks import ReadMask

    labels = np.array([[0, 1, 150]], np.uint8)
    Image.fromarray(labels).save(tmp_path / 'a.png')
    for reduce, wanted in ((False, [0, 1, 150]), (None, [255, 0, 149])):
        results = dict(
            seg_map_path=str(tmp_path / 'a.png'),
            reduce_zero_label=True,
            ori_shape=(1, 3),
            seg_fields=[],
        )
        step = ReadMask(151, reduce_zero_label=reduce)
        found = step.transform(results)['gt_seg_map']
        assert found.tolist() == [wanted]


def transfer(root, work_dir, seed=0, net=None, **options):
    """The record of a run on the embedded data."""
    if net is None:
        backbone = thin_backbone()
        source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    else:
        source = source_of(TINY[net])
    options = {'probe.memory_size': 600, **options}
    return run_task(
        source, 'mini_incontext', seed, work_dir, str(root), options
    ).record


@pytest.mark.parametrize('net', ['dinov2_reg', 'convnextv2'])
def test_a_run_leaves_a_record(registered, mini_root, tmp_path, net):
    record = transfer(mini_root, tmp_path, net=net)
    metrics = record['metrics']
    assert 0 < metrics['mIoU'] <= metrics['mIoU_matched'] <= 100
    assert 0 < record['extra']['details']['memory/patches'] <= 600
    assert any('stages' in t for t in record['changes']) == (
        net == 'convnextv2'
    )


def in_process(rank, root, work_dir, processes):
    under_torchrun(rank, processes)
    return transfer(root, work_dir)['metrics']


def test_two_processes_and_seeds(registered, mini_root, tmp_path):
    """As one process; another seed has other views and another memory."""
    one = transfer(mini_root, tmp_path / 'one')['metrics']
    two = run_in_processes(
        in_process, 2, str(mini_root), str(tmp_path / 'two'), 2
    )
    assert two == [one, one]
    other = transfer(mini_root, tmp_path / 'one', seed=1)['metrics']
    assert other != one
    # the test images' features serve both seeds
    assert len(list((tmp_path / 'one/features').glob('*_test'))) == 1
    assert len(list((tmp_path / 'one/features').glob('*_train'))) == 2


def test_mistakes_are_told_before_an_extraction(
    registered, mini_root, tmp_path
):
    for match, options in (
        ('neighbours asked of a memory', {'probe.k': 100000}),
        ("unknown probe.variant 'hbird'", {'probe.variant': 'hbird'}),
        ('probe.k must be', {'probe.k': 0}),
        ('probe.temperature must be', {'probe.temperature': -1}),
        ('probe.memory_size must be', {'probe.memory_size': 0.5}),
        ('probe.void_class must be', {'probe.void_class': 9}),
        ('probe.ignore must be', {'probe.ignore': 255}),
        ('has 2 maps; write last', {'probe.maps.layers': 'four'}),
        (
            'do not divide 97',
            {
                'probe.maps.padding': 'none',
                'test_dataloader.dataset.pipeline.Resize.scale': (97, 97),
            },
        ),
    ):
        with pytest.raises(UserError, match=match):
            transfer(mini_root, tmp_path, net='dinov2_reg', **options)
    assert not list(tmp_path.glob('features/*'))
