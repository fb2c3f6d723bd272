"""InsLoc's data synthesis: golden vectors, painted marks, refusals."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.data.geometry import ViewGeometry
from ssl_bench.data.photometric import Recipe
from ssl_bench.data.views import finished
from ssl_bench.errors import UserError
from ssl_bench.methods.insloc import views as cp
from ssl_bench.methods.insloc.anchors import (
    anchor_grid,
    augment_box,
    box_iou,
    greedy_nms,
    overlapping,
)

GOLDEN = np.load(Path(__file__).parents[1] / 'data/insloc.npz')


@pytest.fixture(scope='module')
def anchors():
    return anchor_grid(
        tuple(GOLDEN['anc_feat_hw']),
        int(GOLDEN['anc_stride'][0]),
        GOLDEN['anc_scales'],
        GOLDEN['anc_ratios'],
    )


def test_anchor_grid(anchors):
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(
        anchors, GOLDEN['anc_grid'], rtol=0, atol=5 * 1.7e-5
    )


def test_overlapping_anchors(anchors):
    for box, mask, count, best in zip(
        GOLDEN['anc_gt'],
        GOLDEN['anc_mask'],
        GOLDEN['anc_pass_count'],
        GOLDEN['anc_iou_max'],
    ):
        iou = box_iou(box, anchors)
        assert np.array_equal(iou > 0.5, mask) and mask.sum() == count
        assert abs(iou.max() - best) < 5 * 3e-8
        if count:
            assert np.array_equal(
                overlapping(box, anchors), np.flatnonzero(mask)
            )


def test_fallback_takes_the_best_anchors(anchors):
    box = GOLDEN['anc_gt'][5]
    found = overlapping(box, anchors)
    assert len(found) == 4000
    assert np.array_equal(found[:10], GOLDEN['anc_fb_top10_idx'])
    iou = box_iou(box, anchors)
    np.testing.assert_allclose(
        iou[found[:10]], GOLDEN['anc_fb_top10_iou'], rtol=0, atol=5e-7
    )
    assert (iou > 0).sum() == GOLDEN['anc_fb_nonzero'][0]


def test_an_overlap_of_exactly_the_threshold_is_none(anchors):
    found = overlapping(GOLDEN['anc_edge_gt'][0], anchors)
    iou = box_iou(GOLDEN['anc_edge_gt'][0], anchors)
    assert (iou[GOLDEN['anc_edge_idx']] == 0.5).all()
    assert not set(found) & set(GOLDEN['anc_edge_idx'])


def test_suppression_and_the_picked_box(anchors):
    ends = np.cumsum(GOLDEN['nms_scores_count'])
    for i, end in enumerate(ends):
        scores = GOLDEN['nms_scores'][
            end - GOLDEN['nms_scores_count'][i] : end
        ]
        found = overlapping(GOLDEN['anc_gt'][i], anchors)
        kept = found[greedy_nms(anchors[found], scores)]
        count = GOLDEN['nms_keep_count'][i]
        assert np.array_equal(kept, GOLDEN['nms_keep_idx'][i, :count])
        assert (GOLDEN['nms_keep_idx'][i, count:] == -1).all()
        np.testing.assert_allclose(
            anchors[kept[GOLDEN['nms_pick'][i]]],
            GOLDEN['nms_box'][i],
            rtol=0,
            atol=5e-5,
        )


def test_augmented_boxes_overlap_and_vary(anchors):
    np.random.seed(0)
    box = GOLDEN['anc_gt'][0]
    picked = np.stack([augment_box(box, anchors) for _ in range(100)])
    assert (box_iou(box, picked) > 0.5).all()
    assert len(np.unique(picked, axis=0)) > 20


def test_crops_from_a_stream_of_draws():
    for stream, expected in zip(GOLDEN['crop_draws'], GOLDEN['crop_result']):
        draws = iter(stream.astype(np.float64))
        crop = cp.draw_crop(
            int(expected[0]),
            int(expected[1]),
            uniform=lambda: next(draws),
            integer=lambda high: int((high + 1) * next(draws) * 0.999999),
        )
        got = (crop.tries, crop.fallback, *crop[:4])
        assert got == tuple(expected[2:]), expected


def test_fitted_sizes():
    for (h, w, *draws), expected in zip(
        GOLDEN['resize_in'], GOLDEN['resize_out']
    ):
        assert cp.fitted_size(h, w, draws) == tuple(expected)


def test_paste_geometry():
    canvas = tuple(GOLDEN['paste_base'])
    for i, (rows, columns, *crop) in enumerate(GOLDEN['paste_crop']):
        size = cp.fitted_size(crop[2], crop[3], GOLDEN['paste_target'][i])
        place = tuple(GOLDEN['paste_pos'][i])
        assert size == tuple(GOLDEN['paste_size'][i])
        assert cp.position_bounds(canvas, size) == tuple(
            GOLDEN['paste_poshi'][i]
        )
        assert cp.paste_box(size, place) == tuple(GOLDEN['paste_box'][i])
        foreground = np.full((rows, columns, 3), 255, np.uint8)
        image = cp.composite(
            foreground,
            np.zeros((9, 7, 3), np.uint8),
            canvas,
            crop,
            size,
            place,
        )
        assert np.array_equal(image[..., 0] == 255, GOLDEN['paste_mask'][i])


def test_composites_to_the_pixel():
    canvas = tuple(GOLDEN['comp_base'])
    for i, view in enumerate('qk'):
        crop = GOLDEN['comp_crop'][i]
        size = cp.fitted_size(crop[2], crop[3], GOLDEN['comp_target'][i])
        place = tuple(GOLDEN['comp_pos'][i])
        image = cp.composite(
            GOLDEN['comp_fg'].astype(np.uint8),
            GOLDEN[f'comp_bg_{view}'].astype(np.uint8),
            canvas,
            crop,
            size,
            place,
        )
        assert np.array_equal(image, GOLDEN[f'comp_img_{view}'])
        assert np.array_equal(cp.paste_box(size, place), GOLDEN['comp_box'][i])


def test_mirror_and_normalisation(monkeypatch):
    from mmpretrain.models.utils import SelfSupDataPreprocessor

    preprocessor = SelfSupDataPreprocessor(
        mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)
    )
    transform = cp.InsLocViews((64, 64), (32, 64))
    crop = cp.Crop(*GOLDEN['comp_crop'][0], 1, False)
    size = cp.fitted_size(*crop[2:4], GOLDEN['comp_target'][0])
    rgb = GOLDEN['comp_img_q'][..., ::-1].astype(np.uint8).copy()
    for i, draw in enumerate(GOLDEN['flip_draw']):
        monkeypatch.setattr(np.random, 'random_sample', lambda: draw)
        view, geometry = transform._view(
            rgb, crop, size, tuple(GOLDEN['comp_pos'][0])
        )
        (view,) = finished([view], [geometry], [Recipe()], True)['img']
        normal = preprocessor(dict(inputs=[view[None]], data_samples=[]))
        np.testing.assert_allclose(
            normal['inputs'][0][0],
            GOLDEN['flip_img'][i],
            rtol=0,
            atol=5 * 1.2e-7,
        )
        assert np.array_equal(geometry.box_in_view, GOLDEN['flip_box'][i])


def coordinates(height, width):
    """An image whose red is the column and whose green is the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    image[..., 2] = 255
    return image


def seeded(seed=0, **options):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return cp.InsLocViews(**options)(
        dict(
            img=coordinates(200, 250),
            backgrounds=[np.zeros((50, 60, 3), np.uint8)] * 2,
            img_path='x',
        )
    )


@pytest.mark.parametrize('seed', range(6))
def test_boxes_and_geometry_find_the_pasted_pixels(seed):
    results = seeded(seed)
    assert results['source_size'].tolist() == [200, 250]
    for i, view in enumerate(results['img']):
        assert view.shape == (3, 256, 256) and view.dtype == torch.uint8
        x1, y1, x2, y2 = (int(v) for v in results['boxes'][i])
        covered = torch.zeros(256, 256, dtype=torch.bool)
        covered[y1:y2, x1:x2] = True
        assert torch.equal(view[2] == 255, covered)
        # what lies at the centre of the box came from the crop's centre
        geometry = ViewGeometry(
            tuple(results['crops'][i].tolist()),
            (256, 256),
            bool(results['flips'][i]),
            tuple(results['boxes'][i].tolist()),
        )
        if geometry.flip:
            geometry = ViewGeometry(
                geometry.crop,
                (256, 256),
                True,
                (256.0 - x2, y1, 256.0 - x1, y2),
            )
        points = torch.tensor([[x1 + 20.5, y1 + 30.5], [x2 - 20.5, y2 - 9.5]])
        for point, source in zip(points, geometry.to_source(points)):
            pixel = view[:2, int(point[1]), int(point[0])].float()
            # a pixel's centre is half a pixel from its index
            assert (pixel + 0.5 - source).abs().max() <= 1


def test_views_are_drawn_from_the_global_generators():
    first, again, other = seeded(3), seeded(3), seeded(4)
    for key in ('boxes', 'augmented_box', 'crops', 'flips'):
        assert torch.equal(first[key], again[key])
    assert torch.equal(first['img'][1], again['img'][1])
    assert not torch.equal(first['boxes'], other['boxes'])


def test_sizes_follow_the_published_distribution():
    """Official draws: sides 64..254, mean side 173, area 45 %."""
    np.random.seed(0)
    sides, areas = [], []
    for _ in range(4000):
        crop = cp.draw_crop(375, 500)
        size = cp.fitted_size(
            crop.height, crop.width, np.random.randint(128, 255, 2)
        )
        sides += size
        areas.append(size[0] * size[1] / 256**2)
    assert min(sides) >= 64 and max(sides) <= 254
    assert abs(np.mean(sides) - 173) < 3
    assert abs(np.mean(areas) - 0.45) < 0.02


def test_photometric_steps_act_on_the_whole_composite():
    results = seeded(photometric=[lambda image: 255 - image])
    plain = seeded()
    assert torch.equal(255 - results['img'][0], plain['img'][0])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(size_range=(128, 257)), r'\(128, 257\).*canvas \(256, 256\)'),
        (dict(size_range=(0, 9)), r'\(0, 9\)'),
        (dict(canvas=(72, 72), size_range=(32, 64)), 'not a multiple of.* 16'),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        cp.InsLocViews(**options)


def test_missing_backgrounds_are_refused():
    with pytest.raises(UserError, match='two backgrounds.*got 1'):
        cp.InsLocViews()(
            dict(img=coordinates(9, 9), backgrounds=[coordinates(9, 9)])
        )
