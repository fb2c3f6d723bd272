"""Block-wise masks: the official draws, their statistics, exact counts."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.config import load_config
from ssl_bench.data.views import MakeViews
from ssl_bench.methods.siamese_im.block_mask import AddBlockMask, BlockMask

PACK = np.load(Path(__file__).parents[1] / 'data' / 'siamese_im.npz')


def test_the_same_draws_give_the_official_masks():
    random.seed(int(PACK['f/seed']))
    draw = BlockMask(14, 118)
    for expected in PACK['f/samples']:
        np.testing.assert_array_equal(draw(), expected.astype(bool))


class Counting(BlockMask):
    """Remembers what each block added."""

    def __call__(self):
        self.added = []
        return super().__call__()

    def _add_block(self, mask, room):
        before = mask.copy()
        accepted = super()._add_block(mask, room)
        if accepted:
            self.added.append(int((mask & ~before).sum()))
        return accepted


@pytest.fixture(scope='module')
def drawn():
    """2,000 masks and what their blocks added."""
    random.seed(1)
    draw = Counting(14, 118)
    masks, added = [], []
    for _ in range(2000):
        masks.append(draw())
        added.append(list(draw.added))
    return np.stack(masks), added


def test_counts_are_exact(drawn):
    masks, _ = drawn
    assert (masks.sum((1, 2)) == 118).all()
    assert list(PACK['f/count_minmaxmean']) == [118, 118, 118]


def test_statistics_agree_with_the_official_ones(drawn):
    """Within four standard errors of 2,000 official draws."""
    masks, added = drawn
    stats = json.loads(str(PACK['f/stats_json']))
    blocks = [len(a) for a in added]
    assert abs(np.mean(blocks) - stats['blocks'][0]) < 0.2
    assert abs(np.mean([a[0] for a in added]) - stats['first'][0]) < 2.5
    fills = np.array([118 - sum(a) for a in added])
    assert abs(fills.mean() - stats['fills'][0]) < 0.09
    assert abs((fills > 0).mean() - stats['frac_fill_gt0']) < 0.045
    deltas = np.concatenate([np.asarray(a) for a in added])
    assert abs(deltas.mean() - stats['deltas'][0]) < 1.0
    edges = (masks[:, 1:] != masks[:, :-1]).sum((1, 2)) + (
        masks[:, :, 1:] != masks[:, :, :-1]
    ).sum((1, 2))
    assert abs(edges.mean() - PACK['f/edges_mean_std'][0]) < 0.7
    assert np.abs(masks.mean(0) - PACK['f/freq']).max() < 0.05
    unfixed = 118 - fills
    assert (
        abs(unfixed.mean() - PACK['f/unfixed_count_minmaxmeanstd'][2]) < 0.09
    )


def overlap(crops):
    """Area of the common part of pairs of boxes, (N, 2, 4) to (N,)."""
    low = np.maximum(crops[:, 0, :2], crops[:, 1, :2])
    high = np.minimum(crops[:, 0, 2:], crops[:, 1, 2:])
    return np.clip(high - low, 0, None).prod(1)


@pytest.mark.slow
def test_two_crops_overlap_as_the_official_ones_do(registered):
    """Within four standard errors of 4,000 official pairs."""
    stats = json.loads(str(PACK['f/stats_json']))
    torch.manual_seed(0)
    config = load_config('siamese_im_vitb16_1600e')
    step = config.train_dataloader.dataset.pipeline[0]
    make = MakeViews(
        [dict(scale=view.scale, size=1, flip=view.flip) for view in step.views]
    )
    image = np.zeros((375, 500, 3), np.uint8)
    crops = np.stack([make(dict(img=image))['crops'] for _ in range(4000)])
    sides = crops[..., 2:] - crops[..., :2]  # (N, 2, 2)
    areas, common = sides.prod(2), overlap(crops)
    iou = common / (areas.sum(1) - common)
    mean, std = stats['crop_area_mean_std']
    for actual, expected in (
        (areas.ravel() / (500 * 375), mean),
        (iou, stats['pair_iou_mean']),
        (iou == 0, stats['pair_no_overlap']),
        (common / areas[:, 1], stats['target_inside_mean']),
    ):
        # both sides are samples
        bound = 4 * actual.std() * np.sqrt(2 / actual.size)
        assert abs(actual.mean() - expected) < bound
    assert (areas / (500 * 375)).std() == pytest.approx(std, rel=0.05)
    ratio = np.log(sides[:, 1, 1] / sides[:, 0, 1])
    deviation, low, high = stats['log_dh_std_min_max']
    assert ratio.std() == pytest.approx(deviation, rel=0.05)
    assert low - 0.2 < ratio.min() < 0 < ratio.max() < high + 0.2


def histogram_distance(actual, expected):
    """Largest difference between two cumulative distributions."""
    return np.abs(
        np.cumsum(actual) / actual.sum() - np.cumsum(expected) / expected.sum()
    ).max()


def test_distributions_agree_with_the_official_ones(drawn):
    """Kolmogorov-Smirnov at 0.001 for the size of the smaller sample."""
    _, added = drawn
    edges = PACK['f/area_edges']
    first = np.histogram([a[0] for a in added], edges)[0]
    delta = np.histogram(np.concatenate(added), edges)[0]
    blocks = np.bincount([len(a) for a in added], minlength=25)[:25]
    fills = np.bincount([118 - sum(a) for a in added], minlength=40)[:40]
    for actual, name in (
        (first, 'first_area'),
        (delta, 'delta'),
        (blocks, 'blocks'),
        (fills, 'fill'),
    ):
        expected = PACK[f'f/{name}_hist']
        assert histogram_distance(actual, expected) < 1.95 * np.sqrt(
            1 / actual.sum() + 1 / expected.sum()
        ), name


@pytest.mark.parametrize('grid,masked', [(8, 39), (4, 10), (7, 1), (24, 400)])
def test_any_grid_and_count(grid, masked):
    draw = BlockMask(grid, masked)
    masks = np.stack([draw() for _ in range(50)])
    assert masks.shape == (50, grid, grid)
    assert (masks.sum((1, 2)) == masked).all()
    assert len({m.tobytes() for m in masks}) > 1


def test_transform_derives_the_grid():
    mask = AddBlockMask(size=224, patch_size=16).transform({})['mask']
    assert tuple(mask.shape) == (14, 14) and int(mask.sum()) == 118


def test_refusals():
    with pytest.raises(ValueError, match='4 x 4 grid has 16 patches.*16'):
        BlockMask(4, 16)
    with pytest.raises(ValueError, match='16 pixels.*100 pixels'):
        AddBlockMask(size=100, patch_size=16)
