"""Whole runs of the image-level tasks, an epoch or less each."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.results import read_records
from ssl_bench.tasks.fingerprint import fingerprint
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from tests.backbones import tiny_vit

pytestmark = pytest.mark.slow

ONE = {'train_cfg.max_epochs': 1}


@pytest.fixture(scope='module')
def vit():
    backbone = tiny_vit()[1]
    return Source(backbone, backbone.arch, backbone.meta['arch_args'])


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    return tmp_path_factory.mktemp('work')


def test_robustness_of_what_fine_tuning_left(
    registered, vit, mini_root, work_dir
):
    def go(task, **more):
        return run_task(
            vit, task, 0, work_dir, str(mini_root), dict(ONE), **more
        )

    with pytest.raises(UserError, match='--tasks mini_finetune mini_in_a'):
        go('mini_in_a')
    tuned = go('mini_finetune')
    found = {
        task: go(task, visualize=2)
        for task in ('mini_in_a', 'mini_in_r', 'mini_in_sketch', 'mini_in_c')
    }
    errors = found['mini_in_c'].record['extra']['details']
    assert len(errors) == 30 and errors['error/pixelate/5'] >= 0
    assert found['mini_in_c'].record['metrics']['1-mCE'] == pytest.approx(
        100 - found['mini_in_c'].record['metrics']['mCE']
    )
    record = found['mini_in_a'].record
    assert (
        record['data']['images'] == 8
        and record['cost']['train_seconds'] is None
    )
    assert 'epoch_1.pth, SHA-256' in record['changes'][0]
    assert (found['mini_in_a'].folder / 'predictions.png').is_file()
    assert not go('mini_in_a').fresh
    named = run_task(
        vit,
        'mini_in_a',
        0,
        work_dir / 'b',
        str(mini_root),
        classifier=str(tuned.folder),
    )
    assert named.fresh and named.record['metrics'] == record['metrics']
    # every tensor or none: the pretrained encoder alone is no classifier
    import torch

    state = torch.load(tuned.folder / 'epoch_1.pth', weights_only=False)[
        'state_dict'
    ]
    torch.save(
        {name: value for name, value in state.items() if 'head' not in name},
        work_dir / 'headless.pth',
    )
    with pytest.raises(UserError, match='head.fc.bias is missing .and 1'):
        run_task(
            vit,
            'mini_in_a',
            0,
            work_dir,
            str(mini_root),
            classifier=str(work_dir / 'headless.pth'),
        )
    again = go('mini_finetune', eval_only=True)
    assert again.retested == tuned.record['metrics'] and not again.fresh
    assert read_records(tuned.folder) == [tuned.record]


def test_names_of_official_fine_tuned_files(registered):
    """MAE's names fill mmpretrain's classifier, tensor by tensor."""
    import torch
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    from ssl_bench.checkpoints.names import to_ours
    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.weights import toolkit_names

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        net = MODELS.build(make_plan('mini_finetune').config.model)
    state = net.state_dict()
    part = {'backbone.ln2.': 'fc_norm.', 'head.fc.': 'head.'}
    official = {
        new + name[len(old) :]: value
        for old, new in part.items()
        for name, value in state.items()
        if name.startswith(old)
    }
    official.update(
        to_ours(
            {
                name[9:]: value
                for name, value in state.items()
                if name.startswith('backbone.')
                and not name.startswith('backbone.ln2')
            },
            'mmpretrain_vit',
        )
    )
    assert 'blocks.0.attn.qkv.weight' in official
    found = toolkit_names(official)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_few_shot_and_its_cache(
    registered, vit, mini_root, work_dir, monkeypatch
):
    first = run_task(vit, 'mini_fewshot10', 0, work_dir, str(mini_root))
    assert set(first.record['metrics']) == {'top1'}
    assert first.record['data']['images'] == 16  # the list's
    from ssl_bench.transfer import probes

    monkeypatch.setattr(probes, 'extract', None)  # would fail
    other = run_task(
        vit,
        'mini_fewshot10',
        0,
        work_dir,
        str(mini_root),
        {'probe.strength': 10.0},
    )
    assert other.fresh and other.folder != first.folder
    # other images are another cache
    with pytest.raises(TypeError):
        run_task(
            vit,
            'mini_fewshot10',
            0,
            work_dir,
            str(mini_root),
            {'test_dataloader.dataset.indices': 4},
        )


def test_places_and_inaturalist(registered, source, mini_root, work_dir):
    found = [
        run_task(source, task, 0, work_dir, str(mini_root), dict(ONE))
        for task in ('mini_places_linear', 'mini_inat_linear')
    ]
    for outcome in found:
        assert set(outcome.record['metrics']) == {'top1', 'top5'}
        assert outcome.record['data']['images'] == 40


def test_seeds(registered, source, mini_root, work_dir):
    """The same seed gives the same number, another one another."""
    options = {**ONE, 'optim_wrapper.optimizer.lr': 0.05}

    def losses(where, seed):
        import json

        outcome = run_task(
            source,
            'mini_linear',
            seed,
            work_dir / where,
            str(mini_root),
            {**options, 'default_hooks.logger.interval': 1},
        )
        path = next(outcome.folder.glob('*/vis_data/scalars.json'))
        rows = map(json.loads, path.read_text().splitlines())
        return outcome.record['metrics'], [
            row['loss'] for row in rows if 'loss' in row
        ]

    first, same, other = losses('s', 0), losses('t', 0), losses('s', 1)
    assert first == same
    assert first[1] != other[1]


def test_broken_images_and_classes(
    registered, source, mini_root, work_dir, tmp_path, capsys
):
    shutil.copytree(mini_root / 'imagenet', tmp_path / 'imagenet')
    train, val = (tmp_path / 'imagenet' / s for s in ('train', 'val'))
    broken = sorted(train.glob('*/*.jpg'))[:2]
    for path in broken:
        path.write_text('no image')
    Image.open(next(val.glob('*/*.jpg'))).convert('CMYK').save(
        sorted(train.glob('*/*.jpg'))[3]
    )
    outcome = run_task(
        source, 'mini_linear', 0, work_dir, str(tmp_path), dict(ONE)
    )
    assert (
        '2 training images cannot be used; others took their places '
        '(skipped_images.txt)' in outcome.record['changes']
    )
    listed = (outcome.folder / 'skipped_images.txt').read_text()
    assert all(str(path) in listed for path in broken)
    with pytest.raises(UserError, match='cannot be read.*data check'):
        run_task(source, 'mini_knn', 0, work_dir, str(tmp_path))
    assert (
        main(
            [
                'data',
                'check',
                'mini_linear',
                '--decode',
                'all',
                '--data-root',
                str(tmp_path),
            ]
        )
        == 0  # a note: training goes on without them
    )
    assert 'Until then, training skips them' in capsys.readouterr().out
    for path in sorted((train / 'ring').glob('*')):
        path.unlink()
    fingerprint.cache_clear()  # a process takes its data to stay as they are
    outcome = run_task(
        source, 'mini_linear', 0, work_dir, str(tmp_path), dict(ONE)
    )
    assert any(
        change.endswith('1 class folders hold no image, first ring')
        for change in outcome.record['changes']
    )
    (train / 'zebra').mkdir()
    fingerprint.cache_clear()
    shutil.copy(
        broken[0].parent.parent
        / 'star'
        / sorted(p.name for p in (train / 'star').iterdir())[0],
        train / 'zebra',
    )
    with pytest.raises(
        UserError, match='train has 9 classes, the head of this task 8'
    ):
        run_task(source, 'mini_linear', 0, work_dir, str(tmp_path), dict(ONE))
    with pytest.raises(UserError, match="classes differ .9 and 8.: 'zebra'"):
        run_task(source, 'mini_knn', 0, work_dir, str(tmp_path))


@pytest.mark.parametrize('workers', [0, 1])
def test_no_image_is_left(
    registered, source, mini_root, work_dir, tmp_path, workers
):
    shutil.copytree(mini_root / 'imagenet', tmp_path / 'imagenet')
    train = tmp_path / 'imagenet/train'
    for path in train.glob('*/*.jpg'):
        path.write_text('no image')
    with pytest.raises(UserError) as caught:
        run_task(
            source,
            'mini_linear',
            0,
            work_dir,
            str(tmp_path),
            {**ONE, 'train_dataloader.num_workers': workers},
        )
    text = str(caught.value)
    assert f'no training image of {train} can be used' in text
    assert 'skipped_images.txt lists 40 and says' in text
    listed = Path(text.split('in vain. ')[1].split(' lists')[0])
    assert listed.is_relative_to(work_dir)
    assert f'{train}/star' in listed.read_text()
    assert not list(listed.parent.glob('result.json'))
