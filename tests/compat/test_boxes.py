"""Suppression and overlaps against compiled mmcv, and their edges."""

import mmcv.ops
import numpy as np
import pytest
import torch
from torch.testing import assert_close


def loop_nms(boxes, scores, threshold, strict=True):
    """Greedy suppression, box by box, groups of (kept, suppressed...)."""
    left, groups = scores.sort(0, descending=True)[1].tolist(), []
    while left:
        first = left.pop(0)
        groups.append([first])
        for other in list(left):
            low = torch.maximum(boxes[first, :2], boxes[other, :2])
            high = torch.minimum(boxes[first, 2:], boxes[other, 2:])
            shared = (high - low).clamp(min=0).prod()
            areas = [
                (boxes[i, 2:] - boxes[i, :2]).prod() for i in (first, other)
            ]
            overlap = shared / (sum(areas) - shared)
            if overlap > threshold or (not strict and overlap == threshold):
                left.remove(other)
                groups[-1].append(other)
    return groups


def random_boxes(count, seed, levels=None):
    """Boxes in a 60-pixel image; with levels, scores of few values."""
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * 40
    size = torch.rand(count, 2, generator=generator) * 20 + 1
    scores = torch.rand(count, generator=generator)
    if levels:
        scores = (scores * levels).floor() / levels
    return torch.cat((low, low + size), 1), scores


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [3, 5, 7])
def test_nms_keeps_what_compiled_mmcv_keeps(golden, threshold, offset):
    dets, keep = mmcv.ops.nms(
        golden['nms_boxes'],
        golden['nms_scores'],
        threshold / 10,
        offset=offset,
    )
    assert torch.equal(keep, golden[f'nms_keep_thr{threshold}_offset{offset}'])
    assert torch.equal(dets[:, :4], golden['nms_boxes'][keep])
    assert torch.equal(dets[:, 4], golden['nms_scores'][keep])


@pytest.mark.parametrize('offset', [0, 1])
def test_nms_of_integer_boxes(golden, offset):
    _, keep = mmcv.ops.nms(
        golden['nms_int_boxes'], golden['nms_scores'], 0.5, offset=offset
    )
    assert torch.equal(keep, golden[f'nms_int_keep_thr5_offset{offset}'])


def test_nms_with_score_threshold_and_maximum(golden):
    _, keep = mmcv.ops.nms(
        golden['nms_boxes'],
        golden['nms_scores'],
        0.5,
        score_threshold=0.4,
        max_num=30,
    )
    assert torch.equal(keep, golden['nms_score_threshold04_max30_keep'])


@pytest.mark.parametrize('seed', range(5))
def test_nms_breaks_ties_as_torch_sorts(seed):
    boxes, scores = random_boxes(80, seed, levels=4)
    _, keep = mmcv.ops.nms(boxes, scores, 0.3)
    expected = [group[0] for group in loop_nms(boxes, scores, 0.3)]
    assert keep.tolist() == expected


@pytest.mark.parametrize(
    'threshold, kept',
    [(0.5, 2), (np.nextafter(np.float32(0.5), np.float32(0)), 1)],
)
def test_nms_suppresses_strictly_above_the_threshold(threshold, kept):
    boxes = torch.tensor(
        [[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]]
    )  # 8 / 16
    _, keep = mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8]), float(threshold))
    assert len(keep) == kept


def test_nms_of_degenerate_boxes_matches_the_loop():
    boxes, scores = random_boxes(30, 0)
    boxes[::5, 2] = boxes[::5, 0]  # no area
    boxes[1::5] = boxes[1::5][:, [2, 3, 0, 1]]  # inverted
    boxes[2, 1] = float('nan')
    _, keep = mmcv.ops.nms(boxes, scores, 0.3)
    assert set(keep.tolist()) >= {0, 1, 2, 5, 6}
    assert keep.tolist() == [g[0] for g in loop_nms(boxes, scores, 0.3)]


@pytest.mark.parametrize(
    'dtype', [torch.float64, torch.float16, torch.bfloat16]
)
def test_nms_in_other_precisions(dtype):
    boxes, scores = random_boxes(60, 1)
    boxes, scores = boxes.round().to(dtype), scores.to(dtype)
    dets, keep = mmcv.ops.nms(boxes, scores, 0.3)
    order = scores.sort(0, descending=True)[1]
    ranks = torch.empty(60).scatter_(0, order, torch.arange(60.0, 0, -1))
    _, expected = mmcv.ops.nms(boxes.float(), ranks, 0.3)
    assert dets.dtype == dtype
    assert torch.equal(keep, expected)


def test_nms_of_arrays_and_of_nothing():
    boxes, scores = random_boxes(20, 2)
    dets, keep = mmcv.ops.nms(boxes.numpy(), scores.numpy(), 0.3)
    assert keep.tolist() == [g[0] for g in loop_nms(boxes, scores, 0.3)]
    assert isinstance(dets, np.ndarray)
    dets, keep = mmcv.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5) and keep.shape == (0,)
    assert keep.dtype == torch.int64


BATCHED = dict(
    perclass=dict(type='nms', iou_threshold=0.5),
    agnostic=dict(type='nms', iou_threshold=0.5, class_agnostic=True),
    max40=dict(type='nms', iou_threshold=0.5, max_num=40),
    split50_max40=dict(
        type='nms', iou_threshold=0.5, max_num=40, split_thr=50
    ),
    soft_linear=dict(type='soft_nms', iou_threshold=0.5, min_score=0.05),
)


@pytest.mark.parametrize('case', BATCHED)
def test_batched_nms(golden, case):
    dets, keep = mmcv.ops.batched_nms(
        golden['nms_boxes'],
        golden['nms_scores'],
        golden['batched_nms_idxs'],
        BATCHED[case],
    )
    assert torch.equal(keep, golden[f'batched_nms_{case}_keep'])
    assert_close(dets, golden[f'batched_nms_{case}_dets'], atol=1e-6, rtol=0)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms(golden, method, offset):
    n = int(golden['soft_nms_n'])
    dets, keep = mmcv.ops.soft_nms(
        golden['nms_boxes'][:n],
        golden['nms_scores'][:n],
        0.3,
        0.5,
        1e-3,
        method,
        offset,
    )
    name = f'soft_nms_{method}_offset{offset}'
    assert torch.equal(keep, golden[f'{name}_inds'])
    assert_close(dets, golden[f'{name}_dets'], atol=1e-6, rtol=0)


def swapping_soft_nms(boxes, scores, threshold, min_score):
    """mmcv's linear soft-NMS step by step, discards swapped with the last."""
    rows = [
        [*box, score, i]
        for i, (box, score) in enumerate(zip(boxes.tolist(), scores.tolist()))
    ]
    place = 0
    while place < len(rows):
        best = max(range(place, len(rows)), key=lambda i: rows[i][4])
        rows[place], rows[best] = rows[best], rows[place]
        box, i = rows[place], place + 1
        while i < len(rows):
            other = rows[i]
            sides = [
                max(0, min(box[2 + a], other[2 + a]) - max(box[a], other[a]))
                for a in range(2)
            ]
            shared = sides[0] * sides[1]
            overlap = shared / (
                sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
                - shared
            )
            if overlap >= threshold:
                other[4] *= 1 - overlap
            if other[4] < min_score:
                rows[i] = rows[-1]
                rows.pop()
            else:
                i += 1
        place += 1
    return [row[5] for row in rows], [row[4] for row in rows]


@pytest.mark.parametrize('seed', range(4))
def test_soft_nms_with_ties_and_discards(seed):
    boxes, scores = random_boxes(60, seed, levels=5)
    boxes = boxes.round()
    dets, keep = mmcv.ops.soft_nms(
        boxes.double(), scores.double(), 0.3, min_score=0.3, method='linear'
    )
    expected, values = swapping_soft_nms(
        boxes.double(), scores.double(), 0.3, 0.3
    )
    assert len(keep) < 60
    assert keep.tolist() == expected
    assert_close(dets[:, 4].tolist(), values)


def test_soft_nms_decays_at_equality_and_takes_nothing():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])
    dets, _ = mmcv.ops.soft_nms(
        boxes, torch.tensor([0.9, 0.8]), 0.5, method='linear'
    )
    assert_close(dets[:, 4], torch.tensor([0.9, 0.4]))
    dets, keep = mmcv.ops.soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5) and keep.shape == (0,)


def test_nms_match(golden):
    n = int(golden['soft_nms_n'])
    dets = torch.cat(
        (golden['nms_boxes'][:n], golden['nms_scores'][:n, None]), 1
    )
    groups = mmcv.ops.nms_match(dets, 0.3)
    assert [len(g) for g in groups] == golden['nms_match_thr3_sizes'].tolist()
    assert torch.equal(torch.cat(groups), golden['nms_match_thr3_flat'])
    assert mmcv.ops.nms_match(dets[:0], 0.3) == []


@pytest.mark.parametrize('seed', range(3))
def test_nms_match_groups_at_equality_and_with_ties(seed):
    boxes, scores = random_boxes(40, seed, levels=4)
    boxes = boxes.round()
    boxes[:2] = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])
    dets = torch.cat((boxes, scores[:, None]), 1)
    groups = [g.tolist() for g in mmcv.ops.nms_match(dets, 0.5)]
    assert groups == loop_nms(boxes, scores, 0.5, strict=False)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('mode', ['iou', 'iof'])
def test_bbox_overlaps(golden, mode, offset):
    first, second = golden['nms_boxes'], golden['bbox_overlaps_boxes2']
    assert_close(
        mmcv.ops.bbox_overlaps(first[:30], second, mode, offset=offset),
        golden[f'bbox_overlaps_{mode}_offset{offset}'],
        atol=1e-6,
        rtol=0,
    )
    assert_close(
        mmcv.ops.bbox_overlaps(
            first[:40], second, mode, aligned=True, offset=offset
        ),
        golden[f'bbox_overlaps_aligned_{mode}_offset{offset}'],
        atol=1e-6,
        rtol=0,
    )


def test_bbox_overlaps_of_nothing_and_in_half():
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])
    assert mmcv.ops.bbox_overlaps(boxes[:0], boxes).shape == (0, 2)
    assert mmcv.ops.bbox_overlaps(boxes, boxes[:0]).shape == (2, 0)
    half = mmcv.ops.bbox_overlaps(boxes.bfloat16(), boxes.bfloat16())
    assert_close(half, torch.tensor([[1, 0.5], [0.5, 1]]).bfloat16())
