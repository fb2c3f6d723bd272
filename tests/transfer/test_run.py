"""Whole runs, a few iterations long, on embedded data."""

import functools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_bench.errors import UserError
from ssl_bench.results import read_records
from ssl_bench.tasks.datasets import MINI_CLASSES
from ssl_bench.toolbox.fraction import FractionDataset
from ssl_bench.transfer import run as transfer_run
from ssl_bench.transfer.run import Request, locate, run_task
from ssl_bench.transfer.source import Source
from tests.backbones import thin_backbone, tiny_vit

pytestmark = pytest.mark.slow

SHORT = {
    'train_cfg.max_iters': 3,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
    'default_hooks.logger.interval': 1,
    'custom_hooks.0.num_iters': 1,
}
SEG = {key: value for key, value in SHORT.items() if 'custom' not in key}


@pytest.fixture(scope='module')
def go(registered, mini_root, tmp_path_factory):
    """Run a task in a folder of this module; return the outcome."""
    work_dir = tmp_path_factory.mktemp('work')

    def run(source, task, seed=0, options=SHORT, where='a', **more):
        return run_task(
            source,
            task,
            seed,
            work_dir / where,
            str(mini_root),
            dict(options),
            **more,
        )

    return run


def test_voc_detection_leaves_a_record_and_pictures(go, source):
    outcome = go(source, 'mini_voc_det_c4', visualize=2)
    record = outcome.record
    assert outcome.fresh and set(record['metrics']) == {
        'bbox_AP',
        'bbox_AP50',
        'bbox_AP75',
    }
    assert (record['method'], record['backbone']) == ('Noise', 'resnet18-w16')
    assert record['data']['images'] == 32  # both trainvals
    assert record['cost']['train_seconds'] > 0
    assert record['pretrain']['checkpoint_sha256'] == '0' * 64
    assert record['changes'] == [
        'NaiveSyncBN is plain BN: there is one process'
    ]
    assert read_records(outcome.folder) == [record]
    sheet = np.asarray(Image.open(outcome.folder / 'predictions.png'))
    assert sheet.shape[1] > 1000 and sheet.std() > 10
    log = (outcome.folder / 'output.txt').read_text()
    assert 'SyncBN' not in log  # quiet: in the log file, not on the terminal


def test_a_finished_run_is_not_repeated(go, source, monkeypatch):
    first = go(source, 'mini_knn', options={})
    monkeypatch.setattr(transfer_run, 'make_record', None)  # would fail
    again = go(source, 'mini_knn', options={})
    assert not again.fresh and again.record == first.record


def test_knn_reads_the_cache(go, source, monkeypatch):
    first = go(source, 'mini_knn', options={}, where='cache')
    from ssl_bench.transfer import probes

    monkeypatch.setattr(probes, 'extract', None)
    other = go(
        source, 'mini_knn', options={'probe.headline': 5}, where='cache'
    )
    assert other.fresh
    assert (
        other.record['metrics']['top1'] == first.record['metrics']['top1_k5']
    )
    assert other.record['config_sha256'] != first.record['config_sha256']


def test_linear_sweeps_read_the_features_of_knn(go, source, monkeypatch):
    go(source, 'mini_knn', options={}, where='sweep')
    from ssl_bench.transfer import probes

    monkeypatch.setattr(probes, 'extract', None)  # would fail
    seeds, linear = [], probes.PROBES['linear']

    @functools.wraps(linear.score)
    def spy(*args, **kwargs):
        seeds.append(kwargs['seed'])
        return linear.score(*args, **kwargs)

    spied = replace(linear, score=spy)
    monkeypatch.setitem(probes.PROBES, 'linear', spied)
    sweep = {'probe.epochs': 5}
    runs = [
        go(
            source,
            'mini_linear_cached',
            where='sweep',
            seed=seed,
            options={**sweep, 'probe.rates': rates},
        )
        for seed, rates in ((0, [0.3, 3.0]), (0, [3.0, 1.0]), (1, [0.3, 3.0]))
    ]
    assert all(run.fresh for run in runs)
    found = [run.record['extra']['details'] for run in runs]
    assert set(found[0]) == {
        'chosen/rate',
        'held_out/top1_rate0.3',
        'held_out/top1_rate3',
    }
    assert found[0]['held_out/top1_rate3'] == found[1]['held_out/top1_rate3']
    assert found[1]['chosen/rate'] in (1.0, 3.0) and seeds == [0, 0, 1]
    assert set(runs[0].record['metrics']) == {'top1'}


def test_svm_reads_the_cache(go, source, monkeypatch):
    options = {'probe.costs': [1.0], 'probe.folds': 2}
    first = go(source, 'mini_voc07_svm', options=options, where='cache')
    from ssl_bench.transfer import probes

    monkeypatch.setattr(probes, 'extract', None)
    other = go(
        source,
        'mini_voc07_svm',
        where='cache',
        options={**options, 'probe.costs': [1e-6]},
    )
    assert other.fresh and other.record['metrics'] != first.record['metrics']
    kept = list((first.folder.parent / 'features').glob('*/index.json'))
    assert len(kept) >= 2
    with pytest.raises(TypeError):  # other features
        go(
            source,
            'mini_voc07_svm',
            where='cache',
            options={**options, 'probe.compute': 'bfloat16'},
        )


def test_instances_and_seeds(go):
    random = Source(None)
    first = go(random, 'mini_coco_mrcnn_fpn', where='s')
    again = go(random, 'mini_coco_mrcnn_fpn', where='t')
    other = go(random, 'mini_coco_mrcnn_fpn', seed=1, where='s')
    assert first.record['method'] == 'Random init'
    assert first.record['pretrain']['data'] == 'none'
    assert {'bbox_AP', 'segm_AP50'} <= set(first.record['metrics'])
    losses = [
        [row['loss'] for row in scalars(outcome)]
        for outcome in (first, again, other)
    ]
    assert first.record['metrics'] == again.record['metrics']
    assert losses[0] == losses[1] != losses[2]


def scalars(outcome):
    """The logged numbers of a run."""
    path = next(outcome.folder.glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if 'loss' in row]


def test_an_interrupted_run_continues(go, source, monkeypatch):
    options = {
        **SEG,
        'default_hooks.checkpoint.interval': 1,
        'train_cfg.max_iters': 4,
    }
    from ssl_bench.toolbox.hooks import CostHook

    count = CostHook.after_train_iter

    def interrupt(self, runner, *args, **kwargs):
        count(self, runner, *args, **kwargs)
        if runner.iter == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(CostHook, 'after_train_iter', interrupt)
    with pytest.raises(KeyboardInterrupt):
        go(source, 'mini_seg_fcn', options=options)
    monkeypatch.setattr(CostHook, 'after_train_iter', count)
    outcome = go(source, 'mini_seg_fcn', options=options, visualize=1)
    assert outcome.fresh and 'mIoU' in outcome.record['metrics']
    assert outcome.record['resumptions'] == 1
    assert len(list(outcome.folder.glob('*/*.log'))) == 2
    assert (outcome.folder / 'predictions.png').is_file()


@pytest.mark.parametrize(
    'task', ['mini_seg_fcn', 'mini_linear', 'mini_voc_det_c4']
)
def test_a_loss_that_is_not_finite_leaves_no_record(
    go, source, task, tmp_path
):
    """The first step spoils the weights, so the second loss is the first."""
    options = {**SEG, 'optim_wrapper.optimizer.lr': 1e30}
    if task == 'mini_linear':
        options = {'optim_wrapper.optimizer.lr': 1e38}
    with pytest.raises(
        UserError, match=r'loss became (nan|inf) at iteration 2\. .* none'
    ):
        go(source, task, options=options, where=tmp_path)
    assert read_records(tmp_path) == []
    assert not list(tmp_path.rglob('*.pth'))


def test_linear_and_svm(go, source):
    linear = go(source, 'mini_linear', options={'train_cfg.max_epochs': 1})
    assert set(linear.record['metrics']) == {'top1', 'top5'}
    assert linear.record['data']['images'] == 40
    svm = go(
        source,
        'mini_voc07_svm',
        options={'probe.costs': [1.0], 'probe.folds': 2},
    )
    assert 0 < svm.record['metrics']['mAP'] <= 100


def test_vit_probe_and_fine_tuning(go):
    backbone = tiny_vit()[1]
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    knn = go(source, 'mini_knn', options={}, where='vit')
    assert knn.record['changes'] == ['features: mean of the patch tokens']
    tuned = go(
        source,
        'mini_finetune',
        options={'train_cfg.max_epochs': 1},
        where='vit',
    )
    assert tuned.record['backbone'] == 'vit_d96_l4_patch8'
    assert set(tuned.record['metrics']) == {'top1', 'top5'}
    with pytest.raises(UserError, match='mini_coco_mrcnn_fpn'):
        go(source, 'mini_voc_det_c4')


def test_lvis_with_a_plain_vit(go):
    pytest.importorskip('lvis')
    backbone = tiny_vit()[1]
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    outcome = go(source, 'mini_lvis_vitdet', options=SEG, where='vit')
    record = outcome.record
    assert {'bbox_AP', 'segm_AP'} <= set(record['metrics'])
    assert record['backbone'] == 'vit_d96_l4_patch8'
    assert record['data']['name'] == 'mini LVIS train'
    assert 'single precision: mixed needs an accelerator' in record['changes']
    losses = scalars(outcome)
    # the hook has told the federated loss what to draw by, or it would stop
    assert len(losses) == 3 and all(
        np.isfinite(row[name])
        for row in losses
        for name in ('loss_cls', 'loss_bbox', 'loss_mask', 'loss_rpn_cls')
    )


def test_upernet_on_a_plain_vit(go):
    backbone = tiny_vit()[1]
    source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
    outcome = go(
        source, 'mini_seg_upernet', options=SEG, where='vit', visualize=1
    )
    record = outcome.record
    assert set(record['metrics']) == {'mIoU', 'mAcc', 'aAcc'}
    assert record['data']['images'] == 8
    losses = scalars(outcome)
    assert len(losses) == 3 and all(
        row['decode.loss_ce'] > 0 and row['aux.loss_ce'] > 0 for row in losses
    )
    assert (outcome.folder / 'predictions.png').is_file()


def test_fine_tuning_leaves_a_sincos_table_alone(go):
    """A learned table is trained, and the record says so."""
    from ssl_bench.checkpoints.position import resize
    from ssl_bench.methods.siamese_im.sincos import sincos_table

    tables = {}
    for name in ('learned', 'sincos'):
        backbone = tiny_vit()[1]
        if name == 'sincos':
            backbone.state['pos_embed'] = sincos_table(96, 8)[None].float()
        source = Source(backbone, backbone.arch, backbone.meta['arch_args'])
        tuned = go(
            source,
            'mini_finetune',
            options={'train_cfg.max_epochs': 1},
            where=name,
        )
        state = torch.load(tuned.folder / 'epoch_1.pth', weights_only=False)[
            'state_dict'
        ]
        before = resize(backbone.state['pos_embed'], 10, True)
        tables[name] = torch.equal(state['backbone.pos_embed'], before)
        assert not torch.equal(
            state['backbone.cls_token'], backbone.state['cls_token']
        )
        said = [
            change
            for change in tuned.record['changes']
            if change.startswith('position table trained')
        ]
        assert len(said) == (name == 'learned')
    assert tables == dict(learned=False, sincos=True)


def test_semi_supervised_reads_its_list(go, source):
    outcome = go(source, 'mini_semi10', options={'train_cfg.max_epochs': 1})
    assert outcome.record['data']['images'] == 16  # of 40
    assert (
        'labels of semi10.txt: 16 images, 50% of each class drawn with '
        'seed 0' in outcome.record['changes']
    )


@pytest.mark.parametrize('task', ['mini_semi10', 'mini_fewshot10'])
def test_a_run_on_simclrs_list(registered, mini_root, tmp_path, task):
    """Bare names, whose folder is what is before the last _."""
    import shutil

    home = tmp_path / 'imagenet'
    shutil.copytree(mini_root / 'imagenet', home)
    lines = sorted(path.name for path in home.glob('train/*/*.jpg'))[::2]
    listed = home / 'meta/semi10.txt'
    listed.write_text('\n'.join(lines))
    found = []
    for _ in range(2):
        backbone = (
            tiny_vit()[1] if task == 'mini_fewshot10' else thin_backbone()
        )
        outcome = run_task(
            Source(backbone, backbone.arch, backbone.meta['arch_args']),
            task,
            0,
            tmp_path / f'runs{len(found)}',
            str(tmp_path),
            {'train_cfg.max_epochs': 1} if task == 'mini_semi10' else {},
        )
        found.append(outcome.record['metrics'])
        assert outcome.record['data']['images'] == len(lines)
        listed.write_text(  # the same with folders and labels
            '\n'.join(
                f'{name.rpartition("_")[0]}/{name} '
                f'{MINI_CLASSES.index(name.rpartition("_")[0])}'
                for name in lines
            )
        )
    assert found[0] == found[1]
    listed.write_text(listed.read_text() + '\n\nnonsense\n')
    message = f"first 'nonsense' in line {len(lines) + 2}. A line is"
    with pytest.raises(UserError, match=message):
        run_task(
            Source(backbone, backbone.arch, backbone.meta['arch_args']),
            task,
            0,
            tmp_path / 'runs',
            str(tmp_path),
        )


def test_one_writer_in_the_folder_of_a_run(source, mini_root, tmp_path):
    from ssl_bench.run_folder import hold

    where = (source, 'mini_knn', 0, tmp_path, str(mini_root))
    folder = locate(Request(*where))[1]
    with hold(folder):
        with pytest.raises(UserError, match=f'{folder} is in use by this'):
            run_task(*where)
        assert [path.name for path in folder.iterdir()] == ['.lock']
    record = run_task(*where).record
    with hold(folder):  # reading a finished run disturbs nobody
        assert run_task(*where).record == record


def test_other_data_are_another_run(go, source, mini_root, tmp_path):
    import shutil

    first = go(source, 'mini_knn', options={})
    shutil.copytree(mini_root / 'imagenet', tmp_path / 'imagenet')
    next((tmp_path / 'imagenet/val').glob('*/*.jpg')).unlink()
    other = run_task(source, 'mini_knn', 0, first.folder.parent, str(tmp_path))
    assert other.fresh and other.folder != first.folder
    assert (
        other.record['data']['fingerprint']
        != first.record['data']['fingerprint']
    )


def test_fraction_of_the_training_images(go, source):
    options = {**SEG, 'train_cfg.max_iters': 1}
    half = go(source, 'mini_seg_fcn', options=options, fraction=0.5)
    assert half.record['data']['images'] == 4  # of 8
    assert '0.5 of the training images' in half.record['changes'][0]
    tenth, same, more = (
        FractionDataset(FakeSet(100), part) for part in (0.1, 0.1, 0.3)
    )
    assert [tenth[i] for i in range(10)] == [same[i] for i in range(10)]
    assert set(tenth.indices) < set(more.indices)
    assert tenth.get_data_info(3) == dict(width=tenth[3])
    with pytest.raises(ValueError, match='got 0'):
        FractionDataset(FakeSet(4), 0)


class FakeSet(list):
    """A data set whose images are numbers."""

    metainfo = {}

    def __init__(self, size):
        super().__init__(range(size))

    def full_init(self):
        pass

    def get_data_info(self, index):
        return dict(width=self[index])


def test_what_cannot_run(go, source, tmp_path):
    with pytest.raises(UserError, match='unknown task'):
        go(source, 'mini_voc_det')
    with pytest.raises(UserError, match='Prepare it with'):
        run_task(source, 'mini_knn', 0, tmp_path, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'key, value, message',
    [
        ('optim_wrapper.optimizer.type', 'SDG', 'Did you mean SGD'),
        ('model.backbone.typo', 1, "unknown key of model.backbone 'typo'"),
        ('+model.backbone.typo', 1, "unexpected keyword argument 'typo'"),
        ('test_evaluator.type', 'Nope', 'Nope is not in the mmseg::metric'),
        ('train_dataloader.batch_size', 0, 'batch_size must be 1 or more'),
        ('train_cfg.max_iters', 0, 'max_iters must be 1 or more'),
        ('train_dataloder.batch_size', 1, "unknown setting 'train_dataloder'"),
    ],
)
def test_mistakes_are_one_line(
    registered, source, mini_root, tmp_path, key, value, message
):
    with pytest.raises(UserError, match=message) as error:
        run_task(
            source, 'mini_seg_fcn', 0, tmp_path, str(mini_root), {key: value}
        )
    assert '\n' not in str(error.value)
