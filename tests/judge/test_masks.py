"""A judgement on masks: parts, the plan, and a few images end to end."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssl_bench.checkpoints import write_backbone
from ssl_bench.cli import main
from ssl_bench.judge.kinds import masks
from ssl_bench.judge.plan import make_judge_plan
from ssl_bench.judge.run import Judge
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.settings import Length
from ssl_bench.judge.speed import measure_speed
from ssl_bench.judge.splits import Splits
from ssl_bench.tasks.own import read_own_data
from ssl_bench.tasks.table import on_own_data
from ssl_bench.transfer.plan import make_plan
from tests.backbones import thin_backbone, tiny_vit
from tests.own_images import masked
from tests.timm_tiny import TINY, source_of


@pytest.fixture
def file(tmp_path):
    path = tmp_path / '0.backbone.safetensors'
    write_backbone(path, thin_backbone(0))
    return path


@pytest.fixture
def words(tmp_path):
    return masked(tmp_path / 'data', count=10)


def of_classes(root, per_image):
    """Masks with these classes from left to right, and 255 above them."""
    for split, rows in (('train', per_image), ('val', [(0, 1, 2)])):
        for index, found in enumerate(rows):
            mask = np.repeat(np.array(found, np.uint8), 12)[None]
            mask = np.repeat(mask, 40, axis=0)
            mask[:2] = 255
            image = np.full((*mask.shape, 3), index, np.uint8)
            image[0, 0] = 200 if split == 'val' else 100
            for part, pixels in (('images', image), ('masks', mask)):
                path = root / split / part / f'{index}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    (root / 'classes.txt').write_text('none\ncell\nrare\n')
    train, val = (
        [root / split / part for part in ('images', 'masks')]
        for split in ('train', 'val')
    )
    return read_own_data(train, val, root / 'classes.txt', 'cells')


def test_parts_of_images_with_several_classes(tmp_path):
    rows = [(0,)] * 9 + [(0, 1)] * 9 + [(0, 2), (2, 1)]
    own = of_classes(tmp_path / 'data', rows)
    splits = Splits.of(own, tmp_path / 'work')
    assert splits.labels == {
        str(index): frozenset(found) for index, found in enumerate(rows)
    }
    assert splits.tested == 1 and len(splits.dev) == 4
    for seed in range(3):
        part = splits.subset(0.2, seed)
        assert len(part) == 4 and {'18', '19'} & {*part}
        own_part = splits.data(0.2, seed)
        names = Path(own_part.train.names).read_text().split()
        assert names == part
        # a part can be read as data of its own
        again = Splits.of(splits.data(0.5, seed), tmp_path / 'more')
        assert [*again.labels] == splits.subset(0.5, seed)
    chosen = splits.data_to_choose(0.5, 0)
    assert Path(chosen.val.names).read_text().split() == [*splits.dev]
    assert chosen.val.labels == own.train.labels


def test_masks_that_training_skips_are_in_no_part(tmp_path, caplog):
    rows = [(255,)] + [(0, 1, 2)] * 9
    own = of_classes(tmp_path / 'data', rows)
    splits = Splits.of(own, tmp_path / 'work')
    assert [*splits.labels] == [str(index) for index in range(1, 10)]
    assert '1 of 10 training images are left out' in caplog.text


def test_schedules_follow_the_images_and_are_bounded():
    way = masks.KIND.modes[FINE_TUNED]
    few, many, most = (
        masks.overrides(way, count, 0.1, 96, 1.0)['train_cfg.max_iters']
        for count in (3, 1464, 10**6)
    )
    assert (few, many, most) == (60, 1830, 5000)
    assert Length(10, 60, 5000, 8).seen(1464) == 1830 * 8


def plan_for(file, words, work_dir, modes=(FROZEN, FINE_TUNED)):
    return make_judge_plan(
        read_own_data(*words, 'cells'),
        [str(file)],
        supervised=None,
        fractions=[0.5],
        seeds=[0, 1],
        modes=modes,
        work_dir=work_dir,
    )


def test_the_plan(file, words, tmp_path, registered):
    plan = plan_for(file, words, tmp_path)
    assert plan.crop == 32  # short sides are 40
    speed = measure_speed(plan)
    assert {*speed.forward} == {FROZEN, FINE_TUNED}
    assert all(seconds > 0 for seconds in speed.forward.values())
    titles = [job.step.title for job in Judge(plan, speed).jobs()]
    # modes, weights: three rates and two seeds
    assert len(titles) == len({*titles}) == 2 * 2 * (3 + 2)
    config = make_plan(
        on_own_data('judge_fcn', plan.splits.own).id,
        plan.weights[0].source.arch_args,
        overrides=plan.overrides(FINE_TUNED, 5, 5e-4),
    ).config
    assert config.model.decode_head.num_classes == 3
    assert config.model.data_preprocessor.size == (32, 32)
    (decay,) = config.param_scheduler
    assert (decay.end, decay.eta_min) == (60, 0.0)


@pytest.mark.parametrize('net', ['plain', 'dino', 'convnextv2'])
def test_other_networks_are_taken(net, file, words, tmp_path, registered):
    args = (
        tiny_vit()[1].meta['arch_args']
        if net == 'plain'
        else source_of(TINY[net]).arch_args
    )
    plan = plan_for(file, words, tmp_path)
    for mode, way in plan.modes.items():
        config = make_plan(
            on_own_data(way.task, plan.splits.own).id,
            args,
            overrides=plan.overrides(mode, 5, 1e-3),
        ).config
        assert config.model.backbone.type == 'TimmBackbone'
        assert config.model.decode_head.num_classes == 3
        assert config.model.data_preprocessor.size == (32, 32)


@pytest.mark.slow
def test_from_end_to_end(file, words, tmp_path, monkeypatch, capsys):
    whole = masks.overrides

    def short(*settings):
        found = whole(*settings)
        return {
            **found,
            'train_cfg.max_iters': 2,
            'train_dataloader.batch_size': 2,
            'auto_scale_lr.base_batch_size': 2,
        }

    modes = {
        name: replace(way, rates=way.rates[:1])
        for name, way in masks.KIND.modes.items()
    }
    monkeypatch.setattr(
        'ssl_bench.judge.kinds.KINDS',
        {'masks': replace(masks.KIND, modes=modes, overrides=short)},
    )
    train, val, classes = words
    work_dir = tmp_path / 'judge'
    command = [
        *('judge', str(file), '--train-data', *train, '--val-data', *val),
        *('--classes', classes, '--data-name', 'cells'),
        *('--work-dir', str(work_dir), '--fractions', '0.5', '--seeds', '0'),
    ]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert 'mIoU: Noise against random weights' in out
    found = [json.loads(x.read_text()) for x in work_dir.rglob('result.json')]
    tasks = {record['task'] for record in found}
    assert tasks == {
        f'custom:cells-50pct{part}/{task}'
        for part in ('', '-choose')
        for task in ('judge_linseg', 'judge_fcn')
    }
    # weights x modes: a rate and a run
    assert len(found) == 2 * 2 * 2
    assert all(0 <= record['metrics']['mIoU'] <= 100 for record in found)
    assert not list(work_dir.rglob('*.pth'))
    report = json.loads((work_dir / 'judge.json').read_text())
    assert report['metric'] == 'mIoU' and len(report['scores']) == 4
