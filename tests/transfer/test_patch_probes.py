"""Probes of frozen patches: CAPI's numbers, and every step of its protocol."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, jaccard_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.patches import METRICS, label_patches, votes
from ssl_bench.tasks.table import tasks
from ssl_bench.toolbox.load_images import read_with_care
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import Dealing, Features, load_features
from ssl_bench.transfer.probe_scores import (
    patch_data,
    patch_knn,
    patch_logistic,
)
from ssl_bench.transfer.probe_scores.logistic_blocks import Regression, Solver
from ssl_bench.transfer.probe_scores.patch_data import (
    Patches,
    check_amount,
    learnt,
    split_images,
)
from ssl_bench.transfer.probe_scores.patch_knn import nearest
from ssl_bench.transfer.probe_scores.patch_logistic import blocks_of
from tests.processes import run_in_processes

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'
EXACT = dict(
    memory=5,
    max_iter=1000,
    tol=1e-12,
    line_search=50,
    solver_precision='float64',
)
SOLVER = Solver(5, 1000, 1e-12, 50, 'float64')


CAPI = [name for name in tasks() if name.endswith('seg_capi')]
CLASSES = dict(ade20k=151, cityscapes=19, voc12=21)


@pytest.mark.parametrize('task', CAPI)
def test_every_field_of_the_protocol_is_said(task):
    config = load_config(f'transfer/{task}')
    probe, (data, kind, _) = config.probe.to_dict(), task.split('_')
    assert probe.pop('maps') == dict(
        layers='last',
        stages=(4,),
        final_norm=True,
        class_token=False,
        padding='none',
    )
    shared = dict(
        precision='float16',
        classes=CLASSES[data],
        ignore=[0, 255] if data == 'ade20k' else [255],
        variant='present',
        validation=0.1,
        split_seed=0,
        standardise=True,
    )
    if kind == 'knnseg':
        assert probe == dict(
            shared,
            type='patch_knn',
            neighbours=[1, 3, 10, 30],
            metrics=['cosine', 'L2'],
        )
    else:
        costs = probe.pop('costs')
        assert costs == pytest.approx(np.logspace(-6, 5, 8), rel=1e-12)
        assert probe == dict(shared, type='patch_logistic', **EXACT)
    for loader in (config.train_dataloader, config.test_dataloader):
        assert [step['type'] for step in loader.dataset.pipeline] == [
            'LoadImageFromFile',
            'LoadAnnotations',
            'Resize',
            'PackSegInputs',
        ]
        resize = loader.dataset.pipeline[2]
        assert resize.scale == (224, 224) and not resize.keep_ratio
        assert resize.interpolation == 'bicubic'
        assert resize.backend == 'pillow'


def test_labels_of_ade20k_are_not_shifted(registered, tmp_path):
    from mmengine.registry import DATASETS, DefaultScope
    from PIL import Image

    config = load_config('transfer/ade20k_logregseg_capi')
    labels = np.zeros((20, 30), np.uint8)
    labels[5:, 10:], labels[10:, 20:] = 150, 1
    for kind in ('images', 'annotations'):
        for part in ('training', 'validation'):
            (tmp_path / kind / part).mkdir(parents=True)
    for part in ('training', 'validation'):
        image = Image.new('RGB', (30, 20), (200, 100, 50))
        image.save(tmp_path / f'images/{part}/a.jpg')
        Image.fromarray(labels).save(tmp_path / f'annotations/{part}/a.png')
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(tmp_path)
    read_with_care(config, None)
    wanted = np.array(Image.fromarray(labels).resize((224, 224), 0))
    with DefaultScope.overwrite_default_scope('mmseg'):
        for loader in (config.train_dataloader, config.test_dataloader):
            entry = DATASETS.build(loader.dataset)[0]
            found = entry['data_samples'].gt_sem_seg.data[0].numpy()
            assert np.array_equal(found, wanted)
            assert entry['inputs'].shape == (3, 224, 224)


def get(name):
    with np.load(PACK) as file:
        return torch.from_numpy(file[f'capi/{name}'])


def official_train():
    height, width, _ = get('grid_ps').tolist()
    masks = get('label_images').to(torch.uint8)
    return Features(get('train_feats'), masks, (height, width))


def official_test(labels):
    """Queries as images of one patch, whose pixels are (40, 9) labels."""
    masks = labels.to(torch.uint8).reshape(-1, 3, 3)
    return Features(get('query_feats'), masks, (1, 1))


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('ignore', [[255], [0, 255]])
def test_knn_has_the_official_labels(metric, ignore):
    words = '_'.join(map(str, ignore))
    counts = [1, 3, 10]
    wanted = [get(f'knn_{metric}_k{k}_ig{words}') for k in counts]
    bank, _ = learnt(Patches(official_train()), ignore)
    if ignore == [0, 255]:
        assert len(bank) == get('kept_rows_ig0_255')
    asked = Patches(official_test(wanted[0]))
    found = nearest(bank, asked, asked.parts(), None, 10, [metric])
    ((_, index),) = found[metric]
    voters = bank.labels(index.reshape(-1)).reshape(40, 10, 9)
    for labels, official in zip(votes(voters, counts), wanted):
        assert torch.equal(labels.long(), official)


@pytest.mark.parametrize('metric', METRICS)
@pytest.mark.parametrize('k', [1, 3, 10])
def test_the_knn_probe_predicts_the_official_labels(metric, k):
    """What the official program predicts is the truth of the test set."""
    options = dict(
        classes=5,
        variant='present',
        metrics=[metric],
        ignore=[255],
        validation=0.0,
        split_seed=0,
        standardise=False,
    )
    test = official_test(get(f'knn_{metric}_k{k}_ig255'))
    found = patch_knn(official_train(), test, neighbours=[k], **options)
    assert (found['mIoU'], found['aAcc']) == (100, 100)
    assert found['chosen/k'] == k and found[f'chosen/{metric}'] == 1
    other = patch_knn(official_train(), test, neighbours=[7], **options)
    assert other['aAcc'] < 99


def test_the_logistic_probe_has_the_official_probabilities():
    train, probs = official_train(), get('logreg_probs')
    classes = get('logreg_classes')
    some = Patches(train)
    scaling = some.standard()
    rows = scaling(get('query_feats'))
    torch.testing.assert_close(
        rows, get('standardized_query'), rtol=0, atol=1e-12
    )
    blocks = blocks_of(*learnt(some, [0, 255]))
    fit = Regression(blocks, SOLVER, scaling).fit(float(get('logreg_C')))
    assert torch.equal(fit.classes, classes)
    found = fit.logits(get('query_feats')).softmax(1)
    torch.testing.assert_close(found, probs, rtol=0, atol=1e-6)
    labels = classes[probs.argmax(1)][:, None].expand(-1, 9)
    scored = patch_logistic(
        train,
        official_test(labels),
        classes=5,
        variant='present',
        costs=[float(get('logreg_C'))],
        ignore=[0, 255],
        validation=0.0,
        split_seed=0,
        standardise=True,
        **EXACT,
    )
    assert (scored['mIoU'], scored['aAcc']) == (100, 100)
    assert scored['chosen/C'] == pytest.approx(0.3)


def scenes(count, seed, classes=4, grid=(3, 4), side=2, width=8):
    """Masks of patches that mostly have a label, and noisy features of it.

    Some pixels, and all of some patches, are ignored.
    """
    draw = np.random.default_rng(seed)
    label = draw.integers(0, classes, (count, *grid))
    masks = label.repeat(side, 1).repeat(side, 2)
    masks = np.where(
        draw.random(masks.shape) < 0.1, draw.integers(0, 3, masks.shape), masks
    )
    masks[draw.random(masks.shape) < 0.1] = 255
    masks[0, :side, :side] = 255
    features = draw.normal(size=(count, *grid, width)) * 0.9
    features += np.eye(classes, width)[label] * 2
    features *= np.arange(1, width + 1)  # standardisation counts
    return features.astype(np.float32), masks.astype(np.uint8)


def stored(folder, name, data, world=1, rank=0):
    """What `extract` writes of scenes."""
    features, masks = map(torch.from_numpy, data)
    dealing = Dealing(len(masks), 4, world)

    def batches(done):
        for start, stop in dealing.batches_of(rank)[done:]:
            yield features[start:stop], masks[start:stop]

    write_features(folder / name, batches, dealing)
    return load_features(folder / name)


def reference(train, test, ignore, fit, choices):
    """The protocol with whole arrays, by scikit-learn.

    Args:
        fit (Callable): From rows, their labels and a choice to a function
            from rows to labels of their pixels.
    """

    def rows(data):
        features, masks = data
        labels = label_patches(torch.from_numpy(masks).long(), 2).numpy()
        return features.reshape(-1, features.shape[-1]), labels

    def part(data, images):
        return rows([values[images] for values in data])

    def mode(labels):
        return np.array([np.bincount(row).argmax() for row in labels])

    def score(predict, x, labels):
        found = predict(scaler.transform(x))
        kept = ~np.isin(labels, ignore)
        return 100 * jaccard_score(
            labels[kept], found[kept], average='macro', zero_division=0
        ), 100 * accuracy_score(labels[kept], found[kept])

    def learn(x, labels, choice):
        kept = ~np.isin(mode(labels), ignore)
        return fit(
            scaler.transform(x[kept]), labels[kept], mode(labels)[kept], choice
        )

    count = len(train[1])
    order = np.random.default_rng(3).permutation(count)
    held_out, used = order[: count // 5], order[count // 5 :]
    x, labels = part(train, np.sort(used))
    scaler = StandardScaler().fit(x.astype(np.float64))
    tried = {
        choice: score(learn(x, labels, choice), *part(train, held_out))[0]
        for choice in choices
    }
    best = max(tried, key=tried.get)
    return tried, best, score(learn(*rows(train), best), *rows(test))


def knn_fit(x, labels, _, choice):
    metric, k = choice
    near = NearestNeighbors(
        metric={'L2': 'euclidean'}.get(metric, metric), algorithm='brute'
    ).fit(x)

    def predict(queries):
        index = near.kneighbors(queries, k, return_distance=False)
        return np.array(
            [
                [np.bincount(pixel).argmax() for pixel in labels[row].T]
                for row in index
            ]
        )

    return predict


def logistic_fit(x, labels, modes, cost):
    model = LogisticRegression(C=cost, tol=1e-12, max_iter=1000).fit(x, modes)
    return lambda rows: model.predict(rows)[:, None].repeat(4, 1)


SPLIT = dict(
    classes=4,
    variant='present',
    validation=0.2,
    split_seed=3,
    standardise=True,
)


def of_knn(train, test, ignore=(0, 255)):
    return patch_knn(
        train,
        test,
        neighbours=[9, 1, 4],
        metrics=['cosine', 'L2'],
        ignore=list(ignore),
        **SPLIT,
    )


def of_logistic(train, test, ignore=(0, 255)):
    return patch_logistic(
        train,
        test,
        costs=[1e-4, 0.01, 1.0],
        ignore=list(ignore),
        **SPLIT,
        **EXACT,
    )


@pytest.mark.parametrize(
    'variant, wanted', [('present', 100 / 3), ('all_classes', 100 / 4)]
)
def test_the_variant_of_miou_is_the_config_s(variant, wanted):
    """Of four classes, and an ignored label that patches vote for.

    Class 1 is right, class 2 is predicted as the ignored 255, 0 and 3 are
    nowhere; 255 is a class of IoU 0 where those that occur are counted.
    """
    rows = torch.eye(3)
    masks = torch.tensor([[1, 1, 1, 1], [2, 2, 2, 255], [0, 0, 0, 0]])
    masks = masks.to(torch.uint8).reshape(3, 2, 2)
    train = Features(rows, masks, (1, 1))
    truth = torch.tensor([[1] * 4, [255, 255, 255, 2]])
    test = Features(rows[:2], truth.to(torch.uint8).reshape(2, 2, 2), (1, 1))
    found = patch_knn(
        train,
        test,
        classes=4,
        neighbours=[1],
        metrics=['cosine'],
        ignore=[255],
        variant=variant,
        validation=0.0,
        split_seed=0,
        standardise=False,
    )
    assert found['mIoU'] == pytest.approx(wanted)
    assert found['aAcc'] == pytest.approx(80)


@pytest.mark.parametrize('ignore', [(255,), (0, 255)])
def test_knn_equals_the_protocol_on_whole_arrays(
    tmp_path, ignore, monkeypatch
):
    monkeypatch.setattr(patch_data, 'ROWS', 50)  # several blocks
    data = scenes(30, 0), scenes(12, 1)
    splits = [stored(tmp_path, str(i), some) for i, some in enumerate(data)]
    choices = [(m, k) for m in ('cosine', 'L2') for k in (1, 4, 9)]
    tried, best, wanted = reference(*data, ignore, knn_fit, choices)
    found = of_knn(*splits, ignore)
    for (metric, k), value in tried.items():
        name = f'validation/mIoU_{metric}_k{k}'
        assert found[name] == pytest.approx(value, abs=1e-9)
    assert len({*tried.values()}) > 3
    assert (found['chosen/k'], found[f'chosen/{best[0]}']) == (best[1], 1)
    assert found['mIoU'] == pytest.approx(wanted[0], abs=1e-9)
    assert found['aAcc'] == pytest.approx(wanted[1], abs=1e-9)
    assert 20 < found['mIoU'] < 90


@pytest.mark.parametrize('ignore', [(255,), (0, 255)])
def test_logistic_equals_the_protocol_on_whole_arrays(
    tmp_path, ignore, monkeypatch
):
    monkeypatch.setattr(patch_data, 'ROWS', 50)
    data = scenes(30, 0), scenes(12, 1)
    splits = [stored(tmp_path, str(i), some) for i, some in enumerate(data)]
    costs = [1e-4, 0.01, 1.0]
    tried, best, wanted = reference(*data, ignore, logistic_fit, costs)
    found = of_logistic(*splits, ignore)
    for cost, value in tried.items():
        name = f'validation/mIoU_C{cost:g}'
        assert found[name] == pytest.approx(value, abs=1e-9)
    assert found['chosen/C'] == best
    assert found['mIoU'] == pytest.approx(wanted[0], abs=1e-9)
    assert found['aAcc'] == pytest.approx(wanted[1], abs=1e-9)


def both(rank, folder, world):
    patch_data.ROWS = 50
    data = scenes(30, 0), scenes(12, 1)
    splits = [
        stored(folder, f'{world}_{i}', some, world, rank)
        for i, some in enumerate(data)
    ]
    return of_knn(*splits), of_logistic(*splits)


def test_two_processes_give_the_numbers_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(patch_data, 'ROWS', 50)
    torch.set_num_threads(1)
    alone = both(0, tmp_path, 1)
    for found in run_in_processes(both, 2, tmp_path, 2):
        assert found == alone


@pytest.mark.parametrize('classes', [2, 5])
def test_blocks_give_the_minimum_of_scikit_learn(classes, monkeypatch):
    monkeypatch.setattr(patch_data, 'ROWS', 40)
    features, masks = scenes(16, 2, classes)
    masks = np.minimum(masks, classes - 1)
    train = Features(
        torch.from_numpy(features).double().reshape(-1, 8),
        torch.from_numpy(masks),
        (3, 4),
    )
    some = Patches(train)
    label = some.most_frequent()
    fit = Regression(blocks_of(some, label), SOLVER).fit(0.3)
    rows = train.features
    model = LogisticRegression(C=0.3, tol=1e-12, max_iter=1000).fit(
        rows.numpy(), label.numpy()
    )
    wanted = torch.from_numpy(model.predict_proba(rows.numpy()))
    found = fit.logits(rows).softmax(1)
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)


def test_the_split_is_drawn_from_its_seed():
    used, held_out = split_images(57, 0.1, 4)
    order = np.random.default_rng(4).permutation(57)
    assert sorted(order[:5]) == held_out.tolist()
    assert sorted(order[5:]) == used.tolist()
    assert len(split_images(70, 0.1, 0)[1]) == 7
    assert len(split_images(9, 0.0, 0)[1]) == 0
    with pytest.raises(UserError, match='0.1 of 9 training images is no im'):
        split_images(9, 0.1, 0)


def test_more_neighbours_than_patches():
    settings = dict(
        neighbours=[1, 100], validation=0.1, split_seed=0, metrics=['L2']
    )
    check_amount(settings, 30, 4)
    message = r'100 neighbours asked of 72 training patches \(18 images of 4\)'
    with pytest.raises(UserError, match=message):
        check_amount(settings, 20, 4)
    with pytest.raises(UserError, match='10 neighbours asked of 1 training'):
        masks = torch.full((2, 2, 2), 255, dtype=torch.uint8)
        masks[0] = 1
        split = Features(torch.randn(2, 3), masks, (1, 1))
        patch_knn(
            split,
            split,
            classes=2,
            variant='present',
            neighbours=[10],
            metrics=['L2'],
            ignore=[255],
            validation=0,
            split_seed=0,
            standardise=False,
        )


@pytest.mark.parametrize('of', [of_knn, of_logistic])
def test_nothing_to_score(of):
    train, test = (
        Features(rows.flatten(0, 2), masks, (3, 4))
        for rows, masks in (
            map(torch.from_numpy, scenes(*which))
            for which in ((20, 0), (4, 1))
        )
    )
    void = test._replace(labels=torch.full_like(test.labels, 255))
    with pytest.raises(UserError, match='no pixel of the test images has'):
        of(train, void)
    _, held_out = split_images(20, SPLIT['validation'], SPLIT['split_seed'])
    train.labels[held_out] = 255
    with pytest.raises(UserError, match='no pixel of the held-out training'):
        of(train, test)


def test_nothing_to_learn():
    masks = torch.full((12, 2, 2), 255, dtype=torch.uint8)
    split = Features(torch.randn(12, 3), masks, (1, 1))
    with pytest.raises(UserError, match='of all 12 training patches most'):
        learnt(Patches(split), [255])
    masks = torch.ones_like(masks)
    with pytest.raises(UserError, match='have the label 1; logistic'):
        of_logistic(Features(split.features, masks, (1, 1)), split)
    odd = torch.zeros(12, 5, 4, dtype=torch.uint8)
    with pytest.raises(UserError, match='5x4 pixels for 2x2 patches'):
        Patches(Features(torch.randn(48, 3), odd, (2, 2)))
