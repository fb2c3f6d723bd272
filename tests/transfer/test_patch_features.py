"""Features of patches: which maps they are, where they lie, who shares them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.errors import UserError
from ssl_bench.transfer import probes
from ssl_bench.transfer.checks import check_network
from ssl_bench.transfer.extraction import SPLITS, cache_keys
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import Dealing, StoredMasks, load_features
from ssl_bench.transfer.frozen import build_frozen
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.probe_settings import check_values
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone, tiny_vit
from tests.timm_tiny import TINY, source_of

DEEP = replace(
    TINY['dinov2_reg'], kwargs=dict(TINY['dinov2_reg'].kwargs, depth=4)
)


def backbones():
    plain, thin = tiny_vit()[1], thin_backbone()
    return dict(
        patch14=source_of(DEEP, method='Noise'),
        stages=source_of(TINY['convnextv2'], method='Noise'),
        vit=Source(plain, plain.arch, plain.meta['arch_args']),
        resnet=Source(thin, thin.meta['arch'], thin.meta['arch_args']),
    )


def maps(size=11, world=1, rank=0):
    """Rows of 2 x 3 patches, and masks."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(size, 2, 3, 5, generator=draw)
    masks = torch.randint(0, 256, (size, 4, 6), generator=draw)
    dealing = Dealing(size, 4, world)
    batches = dealing.batches_of(rank)
    return features, masks.to(torch.uint8), dealing, batches


@pytest.mark.parametrize('world', [1, 3])
def test_patches_are_rows_in_reading_order(tmp_path, world):
    """Each process's files are written here in turn."""
    features, masks, dealing, _ = maps(world=world)
    folder = tmp_path / 'a_train'
    if world == 1:
        write_features(
            folder,
            lambda done: (
                (features[a:b], masks[a:b])
                for a, b in dealing.batches_of(0)[done:]
            ),
            dealing,
            'float16',
        )
    else:
        folder.mkdir()
        for rank in range(world):
            chosen = [range(a, b) for a, b in dealing.batches_of(rank)]
            index = [i for part in chosen for i in part]
            for name, values in (
                ('features', features.half()),
                ('labels', masks),
            ):
                np.save(folder / f'{rank}_{name}.npy', values[index].numpy())
        content = dict(size=11, batch=4, world=3, shape=[2, 3, 5])
        content.update(precision='float16', name='a_train')
        (folder / 'index.json').write_text(json.dumps(content))
    found = load_features(folder)
    rows = features.half().float().reshape(-1, 5)
    assert found.grid == (2, 3) and found.features.shape == (66, 5)
    assert torch.equal(found.features[:], rows)
    assert torch.equal(found.features[7:40], rows[7:40])
    some = torch.tensor([65, 0, 7, 7, 31])
    assert torch.equal(found.features[some], rows[some])
    assert isinstance(found.labels, StoredMasks)
    assert found.labels.shape == masks.shape
    assert torch.equal(found.labels[:], masks)
    assert torch.equal(found.labels[torch.tensor([9, 2])], masks[[9, 2]])
    squares = found.labels.squares(
        np.array([9, 2]), np.array([1, 0]), np.array([2, 1]), 2
    )
    wanted = torch.stack([masks[9, 2:4, 4:6], masks[2, 0:2, 2:4]])
    assert torch.equal(torch.from_numpy(squares), wanted)
    size = sum(f.stat().st_size for f in folder.glob('*_labels.npy'))
    assert size < 11 * 24 + 150 * world  # a byte a pixel


def test_a_foreign_folder_is_refused(tmp_path):
    """Of other weights or sizes: its name says so, and its index too."""
    features, masks, dealing, batches = maps()
    folder = tmp_path / 'a_train'
    write_features(
        folder,
        lambda done: ((features[a:b], masks[a:b]) for a, b in batches[done:]),
        dealing,
    )
    other = tmp_path / 'b_train'
    folder.rename(other)
    with pytest.raises(UserError, match='written as a_train, of other wei'):
        load_features(other)
    other.rename(folder)
    index = json.loads((folder / 'index.json').read_text())
    for change in (
        dict(shape=[3, 2, 5]),
        dict(shape=[6, 5]),
        dict(shape=[30]),
        dict(precision='float16'),
        dict(size=10),
        dict(shape=[2, 3, 5.0]),
    ):
        (folder / 'index.json').write_text(json.dumps(index | change))
        with pytest.raises(UserError, match='is damaged.*Remove the folder'):
            load_features(folder)
    (folder / 'index.json').write_text(json.dumps(index))
    labels = folder / '0_labels.npy'
    np.save(labels, np.load(labels)[:-1])
    with pytest.raises(UserError, match='labels of process 0 do not fit'):
        load_features(folder)


def keys(task, root, source, **options):
    plan = make_plan(task, source.arch_args, str(root), options)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = build_frozen(plan.config, source)
        return cache_keys(plan, model, str(root))


RESIZE = 'dataloader.dataset.pipeline.Resize.scale'
OTHER = {
    'layers': {'probe.maps.layers': 'four'},
    'norm': {'probe.maps.final_norm': False},
    'class token': {'probe.maps.class_token': True},
    'padding': {'probe.maps.padding': 'around'},
    'precision': {'probe.precision': 'float16'},
    'compute': {'probe.compute': 'bfloat16'},
}


def test_all_that_makes_other_features_makes_another_name(
    registered, mini_root
):
    source = source_of(DEEP, method='Noise')
    own = keys('mini_knnseg', mini_root, source)
    found = [
        keys('mini_knnseg', mini_root, source, **options)
        for options in OTHER.values()
    ]
    other = source_of(DEEP, method='Noise')  # one number of one tensor
    other.backbone.state['norm.bias'][0] += 1
    found.append(keys('mini_knnseg', mini_root, other))
    found.append(
        keys(
            'mini_knnseg',
            mini_root,
            source,
            **{f'{split}_{RESIZE}': (112, 112) for split in ('train', 'test')},
        )
    )
    for split in ('train', 'test'):
        names = {key[split] for key in (own, *found)}
        assert len(names) == len(found) + 1
    assert own['train'] != own['test']


def test_what_a_head_does_is_not_in_the_name(registered, mini_root):
    source = source_of(DEEP, method='Noise')
    own = keys('mini_knnseg', mini_root, source)
    assert own == keys('mini_logregseg', mini_root, source)
    assert own == keys(
        'mini_knnseg',
        mini_root,
        source,
        **{
            'probe.neighbours': [5],
            'probe.ignore': [0, 255],
            'probe.split_seed': 4,
            # a rule for networks with stages
            'probe.maps.stages': (4,),
        },
    )
    # other training images do not touch the test's
    changed = keys(
        'mini_knnseg', mini_root, source, **{f'train_{RESIZE}': (112, 112)}
    )
    assert changed['test'] == own['test'] and changed['train'] != own['train']


@pytest.mark.parametrize('name', ['patch14', 'stages', 'vit', 'resnet'])
def test_a_second_head_extracts_nothing(
    registered, mini_root, tmp_path, monkeypatch, name
):
    source = backbones()[name]
    short = {'probe.neighbours': [1, 3]}
    outcome = run_task(
        source, 'mini_knnseg', 0, tmp_path, str(mini_root), short
    )
    record = outcome.record
    assert set(record['metrics']) == {'mIoU', 'aAcc'}
    assert all(0 <= value <= 100 for value in record['metrics'].values())
    folders = sorted((tmp_path / 'features').iterdir())
    assert len(folders) == 2
    side = dict(patch14=84, stages=96, vit=96, resnet=96)[name]
    grid = dict(patch14=6, stages=12, vit=12, resnet=12)[name]
    for folder in folders:
        found = load_features(folder)
        assert found.grid == (grid, grid)
        assert found.labels.shape[1:] == (side, side)
    changes = ' '.join(record['changes'])
    assert ('maps of [2, 3, 4] of four' in changes) == (
        name in ('stages', 'resnet')
    )

    def refuse(*args):
        raise AssertionError('extracted again')

    monkeypatch.setattr(probes, 'extract', refuse)
    second = {'probe.costs': [0.01, 1.0], 'probe.max_iter': 5}
    record = run_task(
        source, 'mini_logregseg', 0, tmp_path, str(mini_root), second
    ).record
    assert set(record['metrics']) == {'mIoU', 'aAcc'}
    assert record['extra']['details']['chosen/C'] in (0.01, 1.0)


def test_stored_patches_are_those_of_the_network(
    registered, mini_root, tmp_path
):
    """The first test image, read and squashed here by Pillow."""
    from PIL import Image

    deep = replace(DEEP, kwargs=dict(DEEP.kwargs, img_size=84))
    source = source_of(deep, method='Noise')
    run_task(
        source,
        'mini_knnseg',
        0,
        tmp_path,
        str(mini_root),
        {'probe.neighbours': [1]},
    )
    (folder,) = (tmp_path / 'features').glob('*_test')
    found = load_features(folder)
    devkit = mini_root / 'VOCdevkit' / 'VOC2012'
    name = (devkit / 'ImageSets/Segmentation/val.txt').read_text().split()[0]
    with Image.open(devkit / f'JPEGImages/{name}.jpg') as image:
        pixels = image.convert('RGB').resize((96, 96), Image.BICUBIC)
    with Image.open(devkit / f'SegmentationClass/{name}.png') as mask:
        labels = np.array(mask.resize((96, 96), Image.NEAREST))
    assert np.array_equal(found.labels[0:1][0], labels[:84, :84])
    mean, std = (
        255 * torch.tensor(values)[:, None, None]
        for values in (deep.mean, deep.std)
    )
    image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float()
    image = ((image - mean) / std)[None, :, :84, :84]
    net = deep.build()
    net.load_state_dict(source.backbone.state)
    with torch.no_grad():
        (wanted,) = net.eval().forward_intermediates(
            image, indices=[3], norm=True, intermediates_only=True
        )
    wanted = wanted[0].flatten(1).T
    torch.testing.assert_close(
        found.features[0:36], wanted, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    'net, options, message',
    [
        (TINY['dinov2_reg'], {'probe.maps.layers': 'four'}, '2 maps; write'),
        (DEEP, {'probe.maps.layers': 'three'}, 'probe.maps.layers.*four'),
        (
            TINY['convnextv2'],
            {'probe.maps.class_token': True},
            'no class token; write False',
        ),
        (
            DEEP,
            {f'test_{RESIZE}': (225, 225), f'train_{RESIZE}': (225, 225)},
            'do not divide 225.*nearest sizes are 224 and 238',
        ),
        (
            TINY['swin'],
            {f'test_{RESIZE}': (100, 100), f'train_{RESIZE}': (100, 100)},
            '100',
        ),
        (DEEP, {'probe.metrics': ['cos']}, "probe.metrics 'cos'"),
        (DEEP, {'probe.neighbours': []}, 'need an entry each'),
        (DEEP, {'probe.neighbours': [0]}, 'a list of whole numbers, 1 or'),
        (DEEP, {'probe.neighbours': [2.5]}, 'a list of whole numbers, 1'),
        (DEEP, {'probe.validation': 0}, 'no image to choose one of 8'),
        (DEEP, {'probe.validation': 1.5}, 'below 1, not 1.5'),
        (DEEP, {'+probe.pool': 'corner'}, 'probe.pool'),
        (DEEP, {'probe.type': 'knn'}, 'metrics'),
    ],
)
def test_bad_settings_stop_before_anything_is_read(
    registered, net, options, message
):
    source = source_of(net, method='Noise')
    with pytest.raises(UserError, match=message) as error:
        plan = make_plan(
            'voc12_knnseg_capi', to_header(net), overrides=options
        )
        check_network(plan, source)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('key', ['memory', 'max_iter', 'line_search'])
@pytest.mark.parametrize('value', [0, 2.5, '5'])
def test_counts_of_the_solver_are_counts(key, value):
    settings = {'type': 'patch_logistic', 'costs': [1.0], key: value}
    with pytest.raises(UserError, match=f'probe.{key} must be a whole number'):
        check_values(settings)


def test_a_residual_network_takes_whole_cells_only(registered):
    thin = thin_backbone()
    source = Source(thin, thin.meta['arch'], thin.meta['arch_args'])
    for side, message in ((225, 'sizes are 224 and 256'), (224, None)):
        sides = {f'{split}_{RESIZE}': (side, side) for split in SPLITS}
        plan = make_plan(
            'voc12_logregseg_capi', source.arch_args, overrides=sides
        )
        if message is None:
            check_network(plan, source)
            continue
        with pytest.raises(UserError, match=message):
            check_network(plan, source)


def extracting(*args):
    raise AssertionError('extracted')


@pytest.mark.parametrize('fault', ['neighbours', 'mask'])
def test_bad_data_stop_before_an_extraction(
    registered, mini_root, tmp_path, monkeypatch, fault
):
    import shutil

    from PIL import Image

    monkeypatch.setattr(probes, 'extract', extracting)
    root, options = mini_root, {}
    if fault == 'neighbours':
        options = {'probe.neighbours': [10**6]}
        message = r'1000000 neighbours asked of \d+ training patches'
    else:
        root = tmp_path / 'mini'
        shutil.copytree(mini_root / 'VOCdevkit', root / 'VOCdevkit')
        masks = root / 'VOCdevkit/VOC2012/SegmentationClass'
        names = root / 'VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt'
        path = masks / f'{names.read_text().split()[3]}.png'
        with Image.open(path) as mask:
            small = mask.resize((20, 30), Image.NEAREST)
        small.save(path)
        message = r'is \(30, 20\), its image'
    with pytest.raises(UserError, match=message) as error:
        run_task(
            backbones()['resnet'],
            'mini_knnseg',
            0,
            tmp_path / 'runs',
            str(root),
            options,
        )
    assert '\n' not in str(error.value)
