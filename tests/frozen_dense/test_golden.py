"""The official programs' arrays: tests/data/frozen_dense.npz."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ssl_bench.frozen_dense import (
    depth_scores,
    heads,
    in_context,
    keypoints,
    losses,
    maps,
    miou,
    patches,
    schedules,
    windows,
)
from ssl_bench.transfer.probe_scores.neighbours import votes_of

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'


@cache
def pack():
    with np.load(PACK) as file:
        return {name: file[name] for name in file.files}


def get(name):
    value = pack()[name]
    numbers = value.ndim and value.dtype.kind != 'U'
    return torch.from_numpy(value) if numbers else value[()]


def near(found, name, atol=1e-9):
    wanted = pack()[name]
    found = found.detach().numpy() if torch.is_tensor(found) else found
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol)


def test_padding():
    for patch, h, w, top, bottom, left, right in get('pad/table').tolist():
        assert maps.patch_margins(h, patch) == (top, bottom)
        assert maps.patch_margins(w, patch) == (left, right)
    near(maps.pad_to_patch(get('pad/x'), 4), 'pad/y_p4', 0)


def test_sizes():
    for row in get('resize/table').tolist():
        width, height, *wanted = row
        assert wanted == [
            *maps.short_side(width, height, 512, 2048),
            *maps.short_side(width, height, 512),
            *maps.short_side_dinov3(width, height, 512),
        ]


@pytest.mark.parametrize(
    'depth, layers',
    [(12, (2, 5, 8, 11)), (24, (4, 11, 17, 23)), (40, (9, 19, 29, 39))],
)
def test_four_layers(depth, layers):
    assert maps.four_layers(depth) == layers


def fill(head, case):
    state = dict(
        weight=get(f'{case}/conv_weight'), bias=get(f'{case}/conv_bias')
    )
    head.double().conv.load_state_dict(state)
    if f'{case}/bn_weight' in pack():
        with torch.no_grad():
            head.norm.weight.copy_(get(f'{case}/bn_weight'))
            head.norm.bias.copy_(get(f'{case}/bn_bias'))
    return head


def gradients(loss, tensors, case, atol=1e-9):
    names = [name for name in tensors if f'{case}/grad_{name}' in pack()]
    assert names
    found = torch.autograd.grad(loss, [tensors[name] for name in names])
    for name, gradient in zip(names, found):
        near(gradient, f'{case}/grad_{name}', atol)


@pytest.mark.parametrize('case, layers', [('dv2seg1', 1), ('dv2seg4', 4)])
def test_dinov2_segmentation(case, layers):
    names = [f'feat{i}' for i in range(4 - layers, 4)]
    features = {name: get(f'{case}/{name}').requires_grad_() for name in names}
    x = maps.concatenate(list(features.values()))
    labels = get(f'{case}/label')
    head = fill(
        heads.LinearMap(x.shape[1], len(get(f'{case}/conv_bias'))), case
    )
    near(head.eval()(x), f'{case}/logits_eval_fresh')
    logits = head.train()(x)
    near(logits, f'{case}/logits_train')
    large = maps.up(logits, labels.shape[-2:])
    near(large, f'{case}/logits_up')
    loss = losses.pixel_cross_entropy(large, labels)
    near(loss, f'{case}/loss')
    parts = features | dict(
        bn_weight=head.norm.weight,
        bn_bias=head.norm.bias,
        conv_weight=head.conv.weight,
        conv_bias=head.conv.bias,
    )
    gradients(loss, parts, case)
    near(head.norm.running_mean, f'{case}/running_mean')
    near(head.norm.running_var, f'{case}/running_var')
    near(head.eval()(x), f'{case}/logits_eval')


def test_dinov3_segmentation():
    x = get('dv3seg/feat0').requires_grad_()
    labels = get('dv3seg/label')
    head = fill(heads.LinearMap(10, 5, dropout=0.1), 'dv3seg')
    keep = get('dv3seg/dropout_keep') / 0.9
    # the drawn channels, given
    head.dropout.register_forward_hook(
        lambda module, args, out: (
            args[0] * keep[:, :, None, None] if module.training else out
        )
    )
    logits = head.train()(x)
    near(logits, 'dv3seg/logits_train')
    loss = losses.pixel_cross_entropy(
        maps.up(logits, labels.shape[-2:]), labels
    )
    near(loss, 'dv3seg/loss')
    parts = dict(
        feat0=x,
        bn_weight=head.norm.weight,
        bn_bias=head.norm.bias,
        conv_weight=head.conv.weight,
        conv_bias=head.conv.bias,
    )
    gradients(loss, parts, 'dv3seg')
    near(head.norm.running_var, 'dv3seg/running_var')
    near(maps.up(head.eval()(x), labels.shape[-2:]), 'dv3seg/predict')


def stand_in(part):
    """The pack's model of a window, at half its size."""
    weights = get('slide/W')
    part = part - part.mean((2, 3), keepdim=True)
    logits = torch.einsum('kc,bchw->bkhw', weights, part)
    return F.avg_pool2d(logits, 2, ceil_mode=True, count_include_pad=False)


@pytest.mark.parametrize('case', range(4))
@pytest.mark.parametrize('kind', ['dv3', 'mmseg'])
def test_windows(case, kind):
    height, width, crop, stride, *size = get('slide/cases')[case].tolist()
    image, square = get(f'slide/x{case}'), kind == 'dv3'
    shapes = [
        [rows.stop - rows.start, columns.stop - columns.start]
        for rows, columns in windows.windows(
            height, width, crop, stride, square
        )
    ]
    assert shapes == get(f'slide/{kind}_shapes{case}').tolist()
    logits = windows.slide(image, stand_in, crop, stride, square)
    near(logits, f'slide/{kind}_windows{case}')
    if not square:
        return
    near(windows.probabilities(logits, size), f'slide/dv3_probs{case}')
    mirrored = windows.slide(image.flip(-1), stand_in, crop, stride, square)
    flipped = windows.probabilities(mirrored.flip(-1), size)
    near(flipped, f'slide/dv3_probs_flip{case}')


def test_miou():
    labels, found = get('miou/label'), get('miou/pred')
    classes = int(get('miou/num_classes'))
    matrix = miou.confusion(labels, found, classes, [255])
    areas = np.stack(
        (
            matrix.diagonal(),
            matrix.sum(0) + matrix.sum(1) - matrix.diagonal(),
            matrix.sum(0),
            matrix.sum(1),
        )
    )
    near(areas, 'miou/areas', 0)
    near(miou.ious(matrix), 'miou/iou_per_class', 1e-6)
    near(miou.miou(matrix), 'miou/mIoU', 1e-6)
    right, mean = miou.accuracies(matrix)
    near(right, 'miou/aAcc', 1e-6)
    near(mean, 'miou/mAcc', 1e-6)
    near(miou.miou(matrix), 'miou/capi_ig255', 1e-12)
    near(right, 'miou/capi_acc_ig255', 1e-12)
    without = miou.confusion(labels, found, classes, [0, 255])
    near(miou.miou(without), 'miou/capi_ig0_255', 1e-12)
    near(miou.accuracies(without)[0], 'miou/capi_acc_ig0_255', 1e-12)


def test_miou_of_hummingbird():
    labels, classes = get('miou/label'), int(get('miou/num_classes'))
    for name, key in (('pred', ''), ('pred_permuted', '_permuted')):
        found = get(f'miou/{name}')
        matrix = miou.confusion(labels, found, classes, [255])
        near(miou.miou(matrix, 'all_classes'), f'miou/hb_identity{key}', 1e-6)
        near(
            miou.miou(miou.matched(matrix), 'all_classes'),
            f'miou/hb_hungarian{key}',
            1e-6,
        )


def test_zero_is_reduced():
    every = torch.arange(256)
    near(miou.reduce_zero(every), 'miou/rz_label_lut', 0)
    classes = int(get('miou/num_classes'))
    matrix = miou.confusion(
        miou.reduce_zero(get('miou/label')), get('miou/pred'), classes, [255]
    )
    near(miou.miou(matrix), 'miou/rz_mIoU', 1e-6)
    near(miou.ious(matrix), 'miou/rz_iou_per_class', 1e-6)


@pytest.mark.parametrize(
    'case, rule, highest',
    [
        ('dv2d1', 'linear', 10),
        ('dv2d4', 'linear', 10),
        ('dv2dsig', 'sigmoid', 10),
        ('dv2dsoft', 'softmax', 80),
    ],
)
def test_dinov2_depth(case, rule, highest):
    layers = sum(f'{case}/feat{i}' in pack() for i in range(4))
    parts = {
        f'{kind}{i}': get(f'{case}/{kind}{i}').requires_grad_()
        for i in range(layers)
        for kind in ('feat', 'cls')
    }
    x = maps.concatenate(
        [parts[f'feat{i}'] for i in range(layers)],
        [parts[f'cls{i}'] for i in range(layers)],
        factor=4,
    )
    near(x, f'{case}/inputs_concat')
    count = len(get(f'{case}/bins'))
    bins = heads.depth_bins(count, 0.001, highest)
    near(bins, f'{case}/bins', 1e-6)
    head = fill(heads.LinearMap(x.shape[1], count, norm=False, std=None), case)
    depth = heads.depth_of(head(x), get(f'{case}/bins'), rule)
    near(depth, f'{case}/depth')
    truth = get(f'{case}/gt')
    large = maps.up(depth, truth.shape[-2:])
    near(large, f'{case}/depth_up')
    near(
        maps.up(depth.clamp(0.001, highest), truth.shape[-2:]),
        f'{case}/encode_decode',
    )
    sigloss = losses.SigLoss()
    early = [sigloss(large, truth) for _ in range(102)]
    near(
        torch.stack([early[0], *early[99:]]),
        f'{case}/sigloss_warm_first_100th_101st_102nd',
    )
    near(early[-1], f'{case}/sigloss')
    (warm,) = torch.autograd.grad(early[0], large, retain_graph=True)
    near(warm, f'{case}/grad_sigwarm_depth_up')
    parts |= dict(conv_weight=head.conv.weight, conv_bias=head.conv.bias)
    gradients(early[-1], parts, case)
    near(
        losses.gradient_loss(large, truth),
        f'{case}/gradloss_2d_per_sample',
        1e-7,
    )


def test_clamp_before_resizing():
    wanted = get('dv2clamp/encode_decode')
    depth = get('dv2clamp/depth').clamp(0.001, 10)
    near(maps.up(depth, wanted.shape[-2:]), 'dv2clamp/encode_decode')


@pytest.mark.parametrize('case', ['dv3d', 'dv3dcls'])
def test_dinov3_depth(case):
    feature = get(f'{case}/feat').requires_grad_()
    token = get(f'{case}/cls').requires_grad_()
    with_token = [token] if case == 'dv3dcls' else None
    x = maps.concatenate([feature], with_token)
    truth, valid = get(f'{case}/gt'), get(f'{case}/train_mask')
    assert torch.equal(valid, truth != 0)
    count = len(get(f'{case}/conv_bias'))
    head = fill(heads.LinearMap(x.shape[1], count), case).train()
    logits = head(x)
    near(logits, f'{case}/logits')
    bins = heads.depth_bins(count, 0.001, 10)
    depth = heads.depth_of(logits, bins)
    near(depth, f'{case}/depth', 1e-6)
    large = maps.up(depth, truth.shape[-2:])
    near(large, f'{case}/depth_up', 1e-6)
    sigloss = losses.SigLoss()
    near(sigloss(large, truth, valid), f'{case}/sigloss_warm', 1e-6)
    sigloss.calls.fill_(losses.VARIANCE_FROM)
    loss = sigloss(large, truth, valid)
    near(loss, f'{case}/sigloss', 1e-6)
    parts = dict(
        feat=feature,
        cls=token,
        conv_weight=head.conv.weight,
        conv_bias=head.conv.bias,
        bn_weight=head.norm.weight,
        bn_bias=head.norm.bias,
    )
    gradients(loss, parts, case, 1e-6)


@pytest.mark.parametrize('case', ['dv3d', 'dv3dcls'])
@pytest.mark.parametrize('space', heads.BIN_SPACES)
@pytest.mark.parametrize('rule', heads.BIN_RULES)
def test_bins(case, space, rule):
    logits = get(f'{case}/logits')
    bins = heads.depth_bins(logits.shape[1], 0.001, 10, space)
    depth = heads.depth_of(logits, bins, rule)
    near(depth, f'{case}/depth_{space}_{rule}', 2e-6)
    near(heads.depth_regression(logits, 0.001), f'{case}/depth_regression')


def large(name, index):
    pixels = get(name)[index]
    return pixels.repeat_interleave(8, 0).repeat_interleave(8, 1)


def test_depth_scores():
    rows, aligned = [], []
    for index in range(3):
        truth, depth = large('dmet/gt_8x', index), large('dmet/pred_8x', index)
        valid = depth_scores.valid_pixels(truth, 0.001, 10)
        assert int(valid.sum()) == get('dmet/valid_count')[index]
        rows.append(depth_scores.depth_scores(depth, truth, valid))
        scale, shift = depth_scores.align(depth, truth, valid)
        row = depth_scores.depth_scores(
            (depth * scale + shift).clamp(0.001, 10), truth, valid
        )
        aligned.append([*row.values(), scale, shift])
    assert tuple(get('dmet/dv3_names')) == depth_scores.NAMES
    near([list(row.values()) for row in rows], 'dmet/dv3_per_image', 1e-4)
    near([list(row.values())[:9] for row in rows], 'dmet/mde_per_image', 1e-4)
    near(aligned, 'dmet/dv3_aligned_per_image', 1e-4)
    means = depth_scores.mean_scores(rows)
    near(list(means.values())[:9], 'dmet/mde_mean', 1e-4)


def test_mean_depth_scores_are_in_double_precision():
    values = [133.28506336088364, 71.10000000000002, float('nan')]
    rows = [dict.fromkeys(depth_scores.NAMES, value) for value in values]
    wanted = pytest.approx(sum(values[:2]) / 2, rel=1e-15)
    assert depth_scores.mean_scores(rows) == dict.fromkeys(
        depth_scores.NAMES, wanted
    )


def test_depth_masks():
    truth = get('dmet/mask_gt')
    # the limits were applied to the labels before
    found = depth_scores.valid_pixels(truth, 0, float('inf'))
    assert torch.equal(found, get('dmet/mask_eigen_scaled'))
    for height, width in ((480, 640), (240, 320)):
        inside = torch.zeros(height, width, dtype=torch.bool)
        inside[depth_scores.border_rectangle(height, width)] = True
        first, *_, last = inside.flatten().nonzero()[:, 0].tolist()
        rows, columns = inside.any(1).sum(), inside.any(0).sum()
        near(
            [first, last, int(rows), int(columns)],
            f'dmet/nyucrop_{height}x{width}_first_last_shape',
            0,
        )


def test_flip_average():
    plain, mirrored = get('dmet/tta_pair').split(1)
    near(heads.merge_flipped(plain, mirrored), 'dmet/tta_merged')


def test_schedules():
    for i, rate, _ in get('sched/dv3seg').tolist():
        assert schedules.dinov3_segmentation(int(i)) == pytest.approx(rate)
    for i, *wanted in get('sched/dv3depth').tolist():
        found = schedules.dinov3_depth(int(i))
        assert found == pytest.approx(tuple(wanted), rel=1e-9)
    for i, factor in get('sched/capi_probe').tolist():
        assert schedules.capi_probe(int(i)) == pytest.approx(factor, abs=1e-9)


def test_rate_of_dinov2():
    """The values of a public log of mmcv's schedule."""
    assert schedules.dinov2_segmentation(0) == pytest.approx(1e-9)
    assert schedules.dinov2_segmentation(6000) == pytest.approx(8.5e-4)


def test_label_patches():
    images = get('capi/label_images')
    height, width, patch = get('capi/grid_ps').tolist()
    found = patches.label_patches(images, patch)
    near(found, 'capi/patch_labels', 0)
    assert torch.equal(patches.label_maps(found, (height, width)), images)


def test_attentive_pool():
    head = heads.AttentivePool(128, 5).double()
    state = {
        'query': get('attn/query_token'),
        **{
            name: get(f'attn/{name}').double()
            for name in ('kv.weight', 'kv.bias')
        },
        **{
            name: get(f'attn/{name}')
            for name in ('linear.weight', 'linear.bias')
        },
    }
    head.load_state_dict(state)
    tokens = get('attn/tokens').requires_grad_()
    logits = head(tokens)
    near(logits, 'attn/logits', 1e-7)
    loss = F.cross_entropy(logits, get('attn/target'))
    near(loss, 'attn/loss', 1e-7)
    parts = dict(head.named_parameters()) | dict(
        tokens=tokens, query_token=head.query
    )
    gradients(loss, parts, 'attn', 1e-7)


@pytest.mark.parametrize('k', [5, 10, 20])
def test_knn_classification(k):
    """Weights are normalised once, over the 20 nearest of the largest k."""
    train, query = F.normalize(get('knncls/train')), get('knncls/query')
    cosine, index = (F.normalize(query) @ train.T).topk(20)
    labels = get('knncls/labels')[index]
    share = (cosine / 0.07).softmax(1)[:, :k].sum(1, keepdim=True)
    votes = votes_of(cosine[:, :k], labels[:, :k], 4, 0.07)
    votes = votes / votes.sum(1, keepdim=True) * share
    near(votes, f'knncls/probas_k{k}', 1e-9)


def test_in_context():
    size, patch, classes, k = get('hb/meta_S_ps_K_knn').tolist()
    features = get('hb/train_feats')
    shares = in_context.label_shares(get('hb/train_mask'), patch, classes)
    near(shares.reshape(-1, classes), 'hb/label_memory', 1e-6)
    memory = F.normalize(features.flatten(0, 1))
    near(memory, 'hb/feature_memory', 1e-6)
    found = in_context.soft_labels(
        memory,
        shares.flatten(0, 2),
        get('hb/val_feats').flatten(0, 1),
        neighbours=k,
    ).reshape(len(get('hb/val_feats')), -1, classes)
    near(found, 'hb/soft_labels', 2e-5)
    grid = found.reshape(len(found), size, size, classes)
    predicted = in_context.segment(grid, size * patch)
    near(predicted, 'hb/pred', 0)
    matrix = miou.confusion(get('hb/val_mask'), predicted, classes, [255])
    near(miou.miou(matrix, 'all_classes'), 'hb/miou_identity', 1e-6)
    near(
        miou.miou(miou.matched(matrix), 'all_classes'),
        'hb/miou_hungarian_as_shipped',
        1e-6,
    )


def test_bounded_memory():
    size, patch, classes, k = get('hb/meta_S_ps_K_knn').tolist()
    shares = in_context.label_shares(get('hb/train_mask'), patch, classes)
    draws = get('hb/uniform_draws').reshape(len(shares), -1)
    count = in_context.patches_kept(
        int(get('hb/bounded_memory_size')), len(shares)
    )
    kept, labels = [], []
    for i, image in enumerate(shares.flatten(1, 2)):
        scores = in_context.patch_scores(image).reshape(size, size)
        assert torch.equal(scores, get('hb/patch_scores')[i])
        index = in_context.scarce_patches(image, count, draws[i])
        labels.append(image[index])
        kept.append(F.normalize(get('hb/train_feats')[i][index]))
    near(torch.cat(labels), 'hb/bounded_label_memory', 1e-6)
    found = in_context.soft_labels(
        torch.cat(kept),
        torch.cat(labels),
        get('hb/val_feats').flatten(0, 1),
        neighbours=min(k, count * len(shares)),
    )
    wanted = get('hb/bounded_soft_labels')
    near(found.reshape(wanted.shape), 'hb/bounded_soft_labels', 2e-5)


def test_franca():
    tokens = get('franca/tokens_cls_first')[:, 1:]
    side = round(tokens.shape[1] ** 0.5)
    grid = tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    size = int(get('franca/mask_size'))
    head = fill(
        heads.LinearMap(grid.shape[1], 5, norm=False, std=None), 'franca'
    )
    logits = head(maps.up(grid, (size, size)))
    mask = get('franca/mask')
    labels = F.interpolate(mask[:, None].double(), (size, size))[:, 0].long()
    loss = losses.pixel_cross_entropy(logits, labels, divide_by='kept')
    near(loss, 'franca/loss')
    (gradient,) = torch.autograd.grad(loss, head.conv.weight)
    near(gradient, 'franca/grad_conv_weight')
    kept = labels != 255
    near(labels[kept], 'franca/val_gt_valid', 0)
    near(logits.argmax(1)[kept], 'franca/val_pred_valid', 0)


def test_spair():
    of_category = {}
    for i in range(4):
        case = f'spair/pair{i}'
        points = get(f'{case}_trg_kps')
        found = keypoints.match_pixels(
            get(f'{case}_src_feat')[0],
            get(f'{case}_trg_feat')[0],
            get(f'{case}_src_kps'),
            get(f'{case}_sizes_srcwh_trgwh').tolist(),
        )
        right = keypoints.right_points(
            found, points, get(f'{case}_trg_box').tolist()
        )
        name = 'ab'[int(get(f'{case}_category'))] * 3
        of_category.setdefault(name, []).append(right.double())
    of_category['All'] = [row for rows in of_category.values() for row in rows]
    wanted = get('spair/printed').tolist()
    for name, rows in of_category.items():
        image = 100 * torch.stack([row.mean() for row in rows]).mean()
        point = 100 * torch.cat(rows).mean()
        assert f'{name} per image PCK@0.1: {image:.2f}' in wanted
        assert f'{name} per point PCK@0.1: {point:.2f}' in wanted


def test_cells_have_no_half():
    """Probe3D's form: the cell's index over the grid; the limit is wrong."""
    target = torch.eye(6).reshape(6, 2, 3)
    # corners aligned: the share 1 is the centre of the last cell
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.0]])
    found = keypoints.match_cells(target, target, points)
    wanted = torch.tensor([[0, 0], [2 / 3, 1 / 2], [1 / 3, 0]])
    assert torch.allclose(found, wanted)
    truth = found + torch.tensor([[0.05, 0], [0.0499, 0], [0, 0]])
    right = keypoints.recalled(found.double(), truth.double(), 0.5)
    assert right.tolist() == [False, True, True]
