"""Key points of pairs, found by cached features."""

from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense import keypoints
from ssl_bench.frozen_dense.maps import up
from ssl_bench.tasks.layouts.spair import Pair, Paired, PairedImage
from ssl_bench.transfer.checks import check_metrics
from ssl_bench.transfer.features import Features
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.probe_scores import pck, recall
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone
from tests.processes import run_in_processes, under_torchrun
from tests.spair_tree import change, write_spair
from tests.timm_tiny import TINY, source_of

GOLDEN = np.load(Path(__file__).parents[1] / 'data' / 'frozen_dense.npz')
PACKED = 'spair/pair{}_{}'.format


def golden_pairs():
    """The stored pairs, each with two images of its own."""
    maps, images, pairs = [], [], []
    for i in range(4):

        def get(name, i=i):
            return GOLDEN[PACKED(i, name)]

        category = 'ab'[int(get('category'))] * 3
        sizes = get('sizes_srcwh_trgwh').reshape(2, 2).tolist()
        for end, size in zip(('src', 'trg'), sizes):
            maps.append(torch.from_numpy(get(f'{end}_feat')[0]))
            images.append(PairedImage('', tuple(size), category))
        source, target = (
            tuple(map(tuple, get(f'{end}_kps').tolist()))
            for end in ('src', 'trg')
        )
        box = tuple(get('trg_box').tolist())
        pairs.append(Pair(2 * i, 2 * i + 1, category, source, target, box))
    rows = torch.stack(maps)  # (8, D, h, w)
    return features(rows), Paired(images, pairs)


def features(maps):
    """Maps (N, D, h, w) as a probe reads them."""
    rows = maps.permute(0, 2, 3, 1).flatten(0, 2)
    return Features(rows, torch.zeros(len(maps)), tuple(maps.shape[2:]))


def test_pck_prints_what_the_official_program_does():
    test, paired = golden_pairs()
    found = pck(test, paired=paired, share=0.1)
    wanted = set(GOLDEN['spair/printed'].tolist())
    printed = set()
    for name, value in found.items():
        metric, _, category = name.partition('/')
        kind = 'image' if metric.endswith('_image') else 'point'
        printed.add(f'{category or "All"} per {kind} PCK@0.1: {value:.2f}')
    assert printed == wanted


@pytest.mark.parametrize('sizes', [(31, 23, 40, 52), (9, 9, 21, 16)])
def test_pixels_are_those_of_maps_that_are_resized(sizes):
    """Cosines of whole maps, written out, and the vectors' lengths."""
    torch.manual_seed(0)
    source, target = torch.randn(2, 12, 6, 7).double()
    points = torch.stack(
        [torch.randint(0, side, (20,)) for side in sizes[:2]], dim=1
    )
    width, height = sizes[2:]
    whole = up(target[None], (height, width))[0]
    lengths = keypoints.pixel_lengths(target, height, width)
    assert torch.allclose(lengths, whole.norm(dim=0))
    first = up(source[None], sizes[1::-1])[0]
    vectors = first[:, points[:, 1], points[:, 0]].T
    cosines = F.normalize(vectors) @ F.normalize(whole, dim=0).flatten(1)
    found = keypoints.match_pixels(source, target, points, sizes)
    # of equal ones, such as beyond the outer cells, the first
    largest = cosines > cosines.max(1, keepdim=True).values - 1e-9
    wanted = largest.int().argmax(1)
    assert (largest.sum(1) > 1).any()
    assert torch.equal(found[:, 1] * width + found[:, 0], wanted)


def written_out_recall(maps, paired, share):
    """The same, point by point, with nothing of ours."""
    right = {}
    for pair in paired.pairs:
        source, target = maps[pair.source], maps[pair.target]
        height, width = target.shape[1:]
        columns, rows = paired.images[pair.source].size
        sides = np.array(paired.images[pair.target].size)
        for (x, y), truth in zip(pair.source_points, pair.target_points):
            # corners aligned: the last pixel's end is the last cell
            y, x = y / rows * (height - 1), x / columns * (width - 1)
            y0, x0 = int(y), int(x)
            vector = 0
            for dy, dx in np.ndindex(2, 2):
                cell = source[
                    :, min(y0 + dy, height - 1), min(x0 + dx, width - 1)
                ]
                weight = abs(1 - dy - (y - y0)) * abs(1 - dx - (x - x0))
                vector = vector + weight * cell / np.linalg.norm(cell)
            unit = target / np.linalg.norm(target, axis=0)
            best = np.einsum('d,dhw->hw', vector, unit).argmax()
            found = np.array([best % width / width, best // width / height])
            distance = np.linalg.norm(found - np.array(truth) / sides)
            x1, y1, x2, y2 = pair.box
            limit = share * max(x2 - x1, y2 - y1) / max(sides)
            right.setdefault(pair.category, []).append(distance < limit)
    return {category: np.mean(rows) for category, rows in right.items()}


def test_recall_is_that_written_out():
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((6, 10, 5, 5))
    maps[1::2] += maps[::2]  # so that some are found
    images = [PairedImage('', (40, 30 + i), 'c') for i in range(6)]
    pairs = []
    for i, category in enumerate('aab'):
        points = tuple(
            (int(x), int(y))
            for x, y in zip(rng.integers(0, 40, 12), rng.integers(0, 30, 12))
        )
        box = (0, 0, 30, 20)
        pairs.append(Pair(2 * i, 2 * i + 1, category, points, points, box))
    paired = Paired(images, pairs)
    wanted = written_out_recall(maps, paired, 0.25)
    test = features(torch.from_numpy(maps))
    found = recall(test, paired=paired, share=0.25)
    assert 0 < wanted['a'] < 1 and 0 < wanted['b'] < 1
    for category, value in wanted.items():
        assert found[f'recall@0.25/{category}'] == pytest.approx(100 * value)
    mean = 50 * (wanted['a'] + wanted['b'])
    assert found['recall@0.25'] == pytest.approx(mean)


def test_the_protocols_are_said():
    dift = load_config('transfer/spair_pck_dift')
    probe3d = load_config('transfer/spair_probe3d')
    assert dift.probe == dict(
        type='pck',
        share=0.1,
        precision='float16',
        maps=dict(
            layers='last',
            stages=(4,),
            final_norm=True,
            class_token=False,
            padding='around',
        ),
    )
    assert probe3d.probe.type == 'recall' and probe3d.probe.share == 0.1
    assert probe3d.probe.maps.padding == 'none'
    for config, some, side in (
        (dift, (None, None), 768),
        (probe3d, (200, 20), 1024),
    ):
        data = config.test_dataloader.dataset
        assert (data.pairs_per_category, data.shuffle_seed) == some
        assert (data.split, data.list_size) == ('test', 'large')
        assert data.pipeline[1].scale == (side, side)
    patch14 = make_plan('spair_probe3d', recipe='patch14').config
    assert patch14.test_dataloader.dataset.pipeline[1].scale == (896, 896)


@pytest.fixture
def root(tmp_path):
    write_spair(tmp_path / 'data/SPair-71k')
    return str(tmp_path / 'data')


def transfer(task, root, work_dir, net=None, **options):
    """The record of a run; a residual network if none is named."""
    if net is None:
        backbone = thin_backbone()
        source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    else:
        source = source_of(TINY[net])
    return run_task(source, task, 0, work_dir, root, options).record


@pytest.mark.parametrize('task', ['mini_spair', 'mini_spair_probe3d'])
@pytest.mark.parametrize('net', [None, 'dinov2_reg', 'convnextv2'])
def test_a_run_leaves_a_record(registered, root, tmp_path, task, net):
    record = transfer(task, root, tmp_path / 'runs', net)
    main = next(iter(record['metrics']))
    assert 0 <= record['metrics'][main] <= 100
    details = record['extra']['details']
    assert {f'{main}/cat', f'{main}/dog'} <= details.keys()
    assert record['data']['images'] == 6  # of twelve pairs
    staged = any('network with stages' in text for text in record['changes'])
    assert staged == (net != 'dinov2_reg')
    cut = 'last 2 are in no patch of 14'
    padded = '128 pixels padded on both sides to 140'
    said = [text for text in record['changes'] if ' pixels' in text]
    assert len(said) == (net == 'dinov2_reg')
    wanted = cut if task == 'mini_spair_probe3d' else padded
    assert all(wanted in text for text in said)


def test_points_of_equal_images_are_found(registered, tmp_path):
    """From the files to the pixels: x and y, width and height, categories."""
    folder = tmp_path / 'data/SPair-71k'
    pairs = write_spair(folder, sizes=((40, 30), (40, 30)))
    for category in ('cat', 'dog'):
        home = folder / 'JPEGImages' / category
        copyfile(home / 'im_0.jpg', home / 'im_1.jpg')
    points = [[4, 25], [20, 20], [39, 9], [0, 0]]
    for pair in pairs[:2]:
        change(pair, src_kps=points, trg_kps=points)
    for pair in pairs[2:]:  # nothing is right there
        change(pair, src_kps=[[4, 4]], trg_kps=[[38, 28]])
    found = transfer('mini_spair', str(tmp_path / 'data'), tmp_path / 'runs')
    details = found['extra']['details']
    assert details['PCK@0.1/cat'] == details['PCK@0.1_image/cat'] == 100
    assert details['PCK@0.1/dog'] == details['PCK@0.1_image/dog'] == 0
    assert found['metrics'] == {
        'PCK@0.1': 100 * 8 / 10,  # of ten points
        'PCK@0.1_image': 50,  # of four pairs
    }


def in_process(rank, root, work_dir, processes):
    under_torchrun(rank, processes)
    return transfer('mini_spair', root, work_dir)['metrics']


def test_two_processes_give_what_one_does(registered, root, tmp_path):
    one = transfer('mini_spair', root, tmp_path / 'one')['metrics']
    two = run_in_processes(in_process, 2, root, str(tmp_path / 'two'), 2)
    assert two == [one, one]


def test_mistakes_are_told_before_a_run(registered, root, tmp_path):
    work_dir = tmp_path / 'runs'
    with pytest.raises(UserError, match='has 4 stages|from 1 to 4'):
        transfer('mini_spair', root, work_dir, **{'probe.maps.stages': [5]})
    with pytest.raises(UserError, match='has 2 maps; write last'):
        transfer(
            'mini_spair',
            root,
            work_dir,
            'dinov2_reg',
            **{'probe.maps.layers': 'four'},
        )
    plan = make_plan('mini_spair', overrides={'probe.share': 0.05})
    with pytest.raises(UserError, match=r'which reports PCK@0\.05'):
        check_metrics(plan)
    backbone = thin_backbone()
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    with pytest.raises(UserError, match='leave out --fraction'):
        run_task(source, 'mini_spair', 0, work_dir, root, fraction=0.5)
    assert not list(work_dir.glob('features/*'))
