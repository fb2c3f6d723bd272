"""Features on disk, and what probes make of them in several processes."""

import json
import os
import re
import signal

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from ssl_bench import register_all_modules
from ssl_bench.checkpoints.architectures import describe
from ssl_bench.engine.stopping import stoppable
from ssl_bench.errors import Interrupted, UserError
from ssl_bench.transfer import feature_writer as module
from ssl_bench.transfer.extraction import cache_keys
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import (
    Dealing,
    Features,
    StoredFeatures,
    WholeBatches,
    load_features,
)
from ssl_bench.transfer.frozen import Frozen, build_frozen, global_average
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.probe_scores import knn, linear, logistic, svm
from ssl_bench.transfer.probe_settings import check_settings
from ssl_bench.transfer.source import Source, parse_arch
from tests.processes import run_in_processes


def rows(size=23, width=6):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, width, generator=generator), torch.arange(size)


def batches(features, labels, dealing, rank=0, done=0):
    for start, stop in dealing.batches_of(rank)[done:]:
        yield features[start:stop], labels[start:stop]


def write(rank, folder, world, precision='float32', batch=4, data=None):
    """What `extract` does, with rows that are there already."""
    features, labels = data or rows()
    dealing = Dealing(len(labels), batch, world)
    write_features(
        folder,
        lambda done: batches(features, labels, dealing, rank, done),
        dealing,
        precision,
    )


def test_whole_batches_are_dealt():
    dealing = Dealing(23, 4, 3)
    assert [dealing.batches_of(rank) for rank in range(3)] == [
        [(0, 4), (12, 16)],
        [(4, 8), (16, 20)],
        [(8, 12), (20, 23)],
    ]
    ranks, row = dealing.find(np.array([0, 5, 13, 22]))
    assert ranks.tolist() == [0, 1, 0, 2] and row.tolist() == [0, 1, 5, 6]
    assert list(WholeBatches(range(5), 2)) == [0, 1, 2, 3, 4]
    assert Dealing(3, 4, 2).rows_of(1) == 0


@pytest.mark.slow
@pytest.mark.parametrize('world', [1, 2, 3, 7])
def test_rows_come_in_the_order_of_the_data(tmp_path, world):
    folder = tmp_path / 'features' / 'a_train'
    if world == 1:
        write(0, folder, 1)
    else:
        run_in_processes(write, world, folder, world)
    features, labels = rows()
    stored = load_features(folder)
    assert stored.features.shape == (23, 6)
    assert torch.equal(stored.labels, labels)
    assert torch.equal(stored.features[:], features)
    assert torch.equal(stored.features[3:17], features[3:17])
    some = torch.tensor([22, 0, 9, 9, 4])
    assert torch.equal(stored.features[some], features[some])
    assert [path.name for path in folder.parent.iterdir()] == ['a_train']


def test_half_precision(tmp_path):
    features, _ = rows()
    write(0, tmp_path / 'half', 1, 'float16')
    stored = StoredFeatures(tmp_path / 'half')
    assert stored[:].dtype == torch.float32
    assert torch.equal(stored[:], features.half().float())
    size = (tmp_path / 'half/0_features.npy').stat().st_size
    assert size == 128 + 23 * 6 * 2  # a header
    with pytest.raises(UserError, match="probe.precision 'half'"):
        write(0, tmp_path / 'other', 1, 'half')
    large = (torch.full((2, 3), 1e5), torch.zeros(2))
    with pytest.raises(UserError, match='up to 100000 are beyond float16'):
        write(0, tmp_path / 'large', 1, 'float16', data=large)
    broken = (torch.full((2, 3), torch.nan), torch.zeros(2))
    with pytest.raises(UserError, match='not finite; the weights'):
        write(0, tmp_path / 'broken', 1, data=broken)
    huge = (torch.full((2, 3), 2e19), torch.zeros(2))  # its square overflows
    with pytest.raises(UserError, match=r'large as 2e\+19, so their lengths'):
        write(0, tmp_path / 'huge', 1, data=huge)
    assert [path.name for path in tmp_path.iterdir()] == ['half']


def test_what_an_interrupted_run_left_is_not_read(tmp_path, monkeypatch):
    folder = tmp_path / 'a_train'

    def stopped(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, '_publish', stopped)
        patch.setattr(module.shutil, 'rmtree', lambda *a, **k: None)  # killed
        with pytest.raises(KeyboardInterrupt):
            write(0, folder, 1)
        patch.setattr(module.os, 'getpid', lambda: 2**22 + 1)  # has died
        with pytest.raises(KeyboardInterrupt):
            write(0, folder, 1)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2 and all(name.endswith('.part') for name in left)
    write(0, folder, 1)
    assert [path.name for path in tmp_path.iterdir()] == ['a_train']
    assert torch.equal(load_features(folder).features[:], rows()[0])


def cut(rank, folder, world, after, who=0):
    """`write`, and a signal to one process in its batch number ``after``."""
    features, labels = rows()
    dealing = Dealing(len(labels), 4, world)
    begun = []

    def given(done):
        begun.append(done)
        found = batches(features, labels, dealing, rank, done)
        for number, batch in enumerate(found, done + 1):
            if number == after and rank == who:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    message = ''
    try:
        with stoppable('It'):
            write_features(folder, given, dealing)
    except Interrupted as error:
        message = str(error)
    return begun[0], message


def test_a_stopped_extraction_goes_on_where_it_was(tmp_path):
    folder = tmp_path / 'a_train'
    begun, message = cut(0, folder, 1, 2)
    assert (begun, message) == (
        0,
        'stopped by SIGTERM; saved features of 8 of 23 images. The same '
        'command continues.',
    )
    assert [path.name for path in tmp_path.iterdir()] == ['.a_train.stopped']
    assert cut(0, folder, 1, 3)[0] == 2
    assert cut(0, folder, 1, 99) == (3, '')
    assert [path.name for path in tmp_path.iterdir()] == ['a_train']
    found = load_features(folder)
    assert torch.equal(found.features[:], rows()[0])
    assert torch.equal(found.labels, rows()[1])


def test_a_signal_in_the_last_batch_leaves_the_whole_split(tmp_path):
    folder = tmp_path / 'a_train'
    message = cut(0, folder, 1, 6)[1]
    assert message.startswith('stopped by SIGTERM; saved the features in')
    assert torch.equal(load_features(folder).features[:], rows()[0])


@pytest.mark.parametrize('change', ['world', 'size'])
def test_what_does_not_fit_is_extracted_again(tmp_path, change):
    folder = tmp_path / 'a_train'
    cut(0, folder, 1, 2)
    kept = tmp_path / '.a_train.stopped'
    if change == 'world':
        state = json.loads((kept / 'stopped.json').read_text())
        (kept / 'stopped.json').write_text(json.dumps(dict(state, world=2)))
    else:
        path = kept / '0_features.npy'
        path.write_bytes(path.read_bytes()[:-8])
        with pytest.raises(UserError, match='is damaged: its files have'):
            cut(0, folder, 1, 99)
    assert cut(0, folder, 1, 99) == (0, '')
    assert torch.equal(load_features(folder).features[:], rows()[0])


def two_cut(rank, folder):
    """A signal to the second process alone, then a whole extraction."""
    message = cut(rank, folder / 'a', 2, 1, who=1)[1]
    found = cut(rank, folder / 'a', 2, 99)
    return message, found


def test_all_processes_stop_an_extraction_at_the_same_batch(tmp_path):
    """The others know of it a batch later."""
    for message, found in run_in_processes(two_cut, 2, tmp_path):
        assert 'saved features of 16 of 23 images' in message
        assert found == (2, '')
    assert torch.equal(load_features(tmp_path / 'a').features[:], rows()[0])


def test_a_damaged_folder_is_named(tmp_path):
    folder = tmp_path / 'a_train'
    write(0, folder, 1)
    path = folder / '0_features.npy'
    whole = path.read_bytes()
    message = re.escape(f'{folder} is damaged') + '.*Remove the folder'
    for content in (whole[:-8], whole[:50], b'', b'PK\x03\x04' + whole):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            load_features(folder)
    # would be read as other numbers, without a word
    np.save(path, np.zeros((23, 6), np.float16))
    with pytest.raises(UserError, match=message):
        load_features(folder)
    path.write_bytes(whole)
    labels = folder / '0_labels.npy'
    np.save(labels, np.load(labels).astype(float))
    with pytest.raises(UserError, match=message):
        load_features(folder)
    np.save(labels, np.load(labels).astype(int))
    assert len(load_features(folder).labels) == 23
    index = folder / 'index.json'
    content = json.loads(index.read_text())
    for changed in (
        dict(content, size=22),
        dict(content, size=-23),
        dict(content, world=0),
        dict(content, precision='float'),
        dict(width=6),
        [],
        None,
    ):
        index.write_text(json.dumps(changed))
        with pytest.raises(UserError, match=message):
            load_features(folder)
    with pytest.raises(UserError, match='damaged'):
        load_features(tmp_path / 'none')


def test_two_runs_at_once_leave_one_whole_folder(tmp_path, monkeypatch):
    folder = tmp_path / 'a_train'
    publish = module._publish

    def late(part, *args):
        if not folder.exists():
            with monkeypatch.context() as patch:
                patch.setattr(module, '_publish', publish)
                patch.setattr(module.os, 'getpid', lambda: 1)
                write(0, folder, 1)  # another run was faster
        publish(part, *args)

    monkeypatch.setattr(module, '_publish', late)
    write(0, folder, 1)
    assert [path.name for path in tmp_path.iterdir()] == ['a_train']
    assert torch.equal(load_features(folder).features[:], rows()[0])


def classes_of(size, seed, classes=4, width=24):
    """Noisy classes: not every probe is right about all of them."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (size,), generator=generator)
    noise = torch.randn(size, width, generator=generator)
    return torch.eye(classes, width)[labels] * 1.5 + noise, labels


def probed(rank, folder, world):
    """Every probe, from features that this world has written."""
    found, splits, several = {}, [], []
    for seed, size in enumerate((1500, 1200)):
        features, labels = data = classes_of(size, seed)
        path = folder / f'{world}_{seed}'
        write(rank, path, world, 'float16', batch=64, data=data)
        splits.append(load_features(path))
        present = torch.eye(4, dtype=torch.int64)[labels]
        several.append(Features(splits[-1].features, present))
    found['knn'] = knn(*splits, [1, 20, 200], headline=20)
    found['linear'] = linear(*splits, [0.1, 1.0, 10.0], 3, 100)
    found['logistic'] = logistic(*splits)
    found['svm'] = svm(*several, [1.0, 0.1])
    return found


@pytest.mark.slow
def test_probes_give_the_same_bits_on_any_number_of_processes(tmp_path):
    torch.set_num_threads(1)
    alone = probed(0, tmp_path, 1)
    assert 50 < alone['knn']['top1'] < 95
    assert 50 < alone['svm']['mAP'] < 95
    for found in run_in_processes(probed, 3, tmp_path, 3):
        assert found == alone


def test_half_precision_moves_few_votes(tmp_path):
    """The stated rounding: 2^-11 of each number."""
    train, test = classes_of(1500, 0), classes_of(1200, 1)
    write(0, tmp_path / 'train', 1, 'float16', data=train)
    write(0, tmp_path / 'test', 1, 'float16', data=test)
    half = [load_features(tmp_path / name) for name in ('train', 'test')]
    whole = [Features(*train), Features(*test)]
    found, want = (knn(*s, [20], headline=20)['top1'] for s in (half, whole))
    assert found == pytest.approx(want, abs=0.3)


WIDTH, TRAIN, TEST = 512, 131_072, 1024  # 256 MiB in single precision


def peak(rank, folder, world):
    """MiB that extraction and kNN add to the memory of a process."""

    def status(name):
        with open('/proc/self/status') as file:
            return int(file.read().split(f'{name}:')[1].split()[0]) / 1024

    labels = torch.arange(TRAIN) % 10
    rows = torch.randn(256, WIDTH)
    splits, before = [], status('VmRSS')
    with open('/proc/self/clear_refs', 'w') as file:
        file.write('5')  # the highest mark starts again
    for size in (TRAIN, TEST):
        dealing = Dealing(size, 256, world)

        def whole_batches(done, dealing=dealing):
            for start, stop in dealing.batches_of(rank)[done:]:
                yield rows.roll(start // 256, 1), labels[start:stop]

        path = folder / str(size)
        write_features(path, whole_batches, dealing)
        splits.append(load_features(path))
    knn(*splits, [20], headline=20)
    return status('VmHWM') - before


@pytest.mark.slow
def test_no_process_holds_the_training_features(tmp_path):
    """They are 256 MiB; a block is 16, and 16 its product with queries."""
    try:
        open('/proc/self/clear_refs', 'w').close()
    except OSError:
        pytest.skip('the peak of memory is read from Linux')
    used = run_in_processes(peak, 2, tmp_path, 2)
    assert max(used) < 180


def test_a_batch_follows_the_model_to_its_device():
    """The loader's batch is on the CPU; the model need not be."""
    register_all_modules()
    model = Frozen(
        dict(type='ResNet', depth=18, base_channels=4, stem_channels=4),
        dict(mean=[0.0] * 3, std=[1.0] * 3, to_rgb=True),
    ).to('meta')
    batch = dict(inputs=torch.zeros(2, 3, 32, 32), data_samples=None)
    features, _ = model(batch, global_average)
    assert features.device.type == 'meta'
    assert features.shape == (2, 32)


def frozen(compute):
    torch.manual_seed(0)
    backbone = dict(
        type='ResNet', depth=18, stem_channels=16, base_channels=16
    )
    return Frozen(backbone, dict(mean=[0] * 3, std=[1] * 3), compute).eval()


def test_a_backbone_in_bfloat16_is_pooled_in_single_precision():
    register_all_modules()
    from mmpretrain.structures import DataSample

    batch = dict(
        inputs=[torch.full((3, 32, 32), 9), torch.full((3, 32, 32), 99)],
        data_samples=[DataSample(), DataSample()],
    )
    seen = []
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for compute in ('float32', 'bfloat16'):
            model = frozen(compute)
            model.backbone.layer4.register_forward_hook(
                lambda _, given, out: seen.append(out.dtype)
            )
            found = model(dict(batch), global_average)[0]
            assert found.dtype == torch.float32
            seen.append(found)
    assert (seen[0], seen[2]) == (torch.float32, torch.bfloat16)
    assert not torch.equal(seen[1], seen[3])
    torch.testing.assert_close(seen[1], seen[3], rtol=0.05, atol=0.05)


def test_features_of_another_computation_have_another_name(mini_root):
    names = set()
    for options in (
        {},
        {'probe.compute': 'float32'},
        {'probe.compute': 'bfloat16'},
        {'probe.precision': 'float16'},
    ):
        plan = make_plan('mini_knn', None, str(mini_root), options)
        model = frozen(plan.config.probe.get('compute', 'float32'))
        names.add(cache_keys(plan, model, str(mini_root))['train'])
    assert len(names) == 3  # single precision is the default
    with pytest.raises(UserError, match="probe.compute 'half'"):
        check_settings(dict(type='knn', compute='half'))


def test_heads_that_a_name_does_not_say_are_another_network(mini_root):
    """Equal tensors with other heads are another run, of other features."""
    runs, names = set(), set()
    for arch in ('vit_d96_l4_h3_patch8', 'vit_d96_l4_h2_patch8'):
        args = describe(parse_arch(arch))
        plan = make_plan('mini_knn', args, str(mini_root))
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = build_frozen(plan.config, Source(None, arch, args))
        runs.add(plan.identity)
        names.add(cache_keys(plan, model, str(mini_root))['train'])
    assert len(runs) == len(names) == 2
    assert not make_plan('mini_knn', describe(parse_arch('vitb16'))).heads


def test_damage_that_leaves_the_sizes(tmp_path):
    """Numbers that no extraction writes are not scored."""
    folder = tmp_path / 'x_test'
    write(0, folder, 1)
    file = folder / '0_features.npy'
    content = bytearray(file.read_bytes())
    content[-40:-20] = b'\xff' * 20
    file.write_bytes(content)
    stored = load_features(folder).features
    with pytest.raises(UserError, match='x_test is damaged: .* not finite'):
        stored[20:23]


def test_a_lost_index_is_told_before_an_extraction(tmp_path):
    folder = tmp_path / 'x_test'
    write(0, folder, 1)
    (folder / 'index.json').unlink()

    def batches(done):
        raise AssertionError('it was extracted again')

    with pytest.raises(UserError, match='its index.json was lost. Remove it'):
        write_features(folder, batches, Dealing(23, 4, 1))
