"""Methods by name, and the command line of a transfer."""

import sys

import pytest

from ssl_bench.checkpoints import SUFFIX, write_backbone
from ssl_bench.cli import main, transfer
from ssl_bench.errors import UserError
from ssl_bench.transfer import run as transfer_run
from ssl_bench.transfer.find_weights import find_named
from ssl_bench.transfer.source import parse_arch
from tests.backbones import thin_backbone, tiny_vit
from tests.results.factory import make_record


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pretraining(folder, name, variant='', epochs=2, last=2):
    folder.mkdir(parents=True)
    (folder / 'config.py').write_text(
        f'method = dict(name={name!r}, variant={variant!r})\n'
        f'train_cfg = dict(max_epochs={epochs})\n'
    )
    (folder / f'epoch_{last}.pth').touch()


def test_finished_pretrainings(place):
    pretraining(place / 'work_dirs/a', 'LEWEL', 'B (EMAN)')
    pretraining(place / 'work_dirs/b', 'MoCo v2', epochs=3, last=2)
    found = find_named('lewel')
    assert str(found.path) == 'work_dirs/a/epoch_2.pth'
    assert (found.method, found.variant, found.epochs) == (
        'LEWEL',
        'B (EMAN)',
        2,
    )
    assert find_named('LEWEL (B (EMAN))@2') == found
    with pytest.raises(UserError, match='no checkpoint MoCo v2'):
        find_named('MoCo v2')  # unfinished
    pretraining(place / 'work_dirs/c', 'LEWEL', 'M', epochs=4, last=4)
    with pytest.raises(UserError, match="'lewel' may mean 2 files: .*a/epo"):
        find_named('lewel')
    assert find_named('lewel@4').variant == 'M'


def test_backbone_and_published_files(place):
    (place / 'checkpoints').mkdir()
    write_backbone(place / f'checkpoints/x{SUFFIX}', thin_backbone())
    assert find_named('noise').path.name == f'x{SUFFIX}'
    for epochs in (200, 800):
        (place / f'checkpoints/moco_v2_{epochs}ep_pretrain.pth.tar').touch()
    assert (
        find_named('MoCo v2@800').path.name == 'moco_v2_800ep_pretrain.pth.tar'
    )
    with pytest.raises(UserError, match='may mean 2 files'):
        find_named('MoCo v2')
    with pytest.raises(
        UserError,
        match='no checkpoint SimCLR. It is not a file, and no method',
    ):
        find_named('SimCLR')


@pytest.fixture
def calls(monkeypatch):
    """What the command asks to be run."""
    from types import SimpleNamespace

    asked = []

    def run_request(request):
        source, task, seed = request.source, request.task, request.seed
        asked.append((source.method, task, seed, request))
        return SimpleNamespace(
            record=make_record(
                source.method, task=task, seed=seed, metrics=dict(top1=50.0)
            ),
            folder='there',
            fresh=True,
            retested=dict(top1=49.0),
        )

    monkeypatch.setattr(transfer_run, 'run_request', run_request)
    return asked


def test_several_checkpoints_tasks_and_seeds(place, mini_root, calls, capsys):
    write_backbone(place / f'x{SUFFIX}', tiny_vit()[1])
    code = main(
        [
            'transfer',
            f'x{SUFFIX}',
            'random',
            '--tasks',
            'mini_in_a',
            'mini_finetune',
            '--seeds',
            '0',
            '1',
            '--data-root',
            str(mini_root),
            '--eval-only',
            '--no-resume',
        ]
    )
    assert code == 0
    assert [call[:3] for call in calls[:4]] == [
        ('Noise', 'mini_finetune', 0),
        ('Noise', 'mini_in_a', 0),
        ('Random init', 'mini_finetune', 0),
        ('Random init', 'mini_in_a', 0),
    ]
    assert len(calls) == 8
    assert calls[0][3].eval_only and not calls[0][3].resume
    out = capsys.readouterr().out
    assert 'top1 50.0  there' in out
    assert '(tested again: top1 49.00)' in out
    assert 'no supervised control' in out and 'no random' not in out
    assert (
        main(
            [
                'transfer',
                f'x{SUFFIX}',
                'random',
                '--tasks',
                'mini_knn',
                '--data-root',
                str(mini_root),
                '--method',
                'A',
            ]
        )
        == 2
    )
    assert '--method is of one checkpoint' in capsys.readouterr().err


def test_gpus_start_the_same_command_in_processes(mini_root, monkeypatch):
    import torch

    seen = []

    def replace(program, words, environment):
        seen.append(words)
        sys.exit(0)

    monkeypatch.setattr('os.execve', replace)
    monkeypatch.setattr(torch.accelerator, 'device_count', lambda: 4)
    words = [
        'transfer',
        'random',
        '--tasks',
        'mini_knn',
        '--data-root',
        str(mini_root),
    ]
    with pytest.raises(SystemExit):
        main([*words, '--gpus', '3', '--seeds', '0'])
    assert '--nproc_per_node=3' in seen[0]
    assert seen[0][-8:] == [*words, '--seeds', '0']
    assert main([*words, '--gpus=8']) == 2
    monkeypatch.setenv('RANK', '1')  # inside: not again
    monkeypatch.setattr(transfer, 'open_sources', lambda args: [])
    assert main([*words, '--gpus', '3']) == 0 and len(seen) == 1


@pytest.mark.slow
def test_dry_run_needs_no_data(place, capsys):
    assert (
        main(
            [
                'transfer',
                'random',
                '--tasks',
                'voc0712_det_c4',
                '--data-root',
                'nowhere',
                '--dry-run',
                '--cfg-options',
                'optim_wrapper.optimizer.lr=0.1',
            ]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert 'optim_wrapper.optimizer.lr' in out
    assert '0.1  [protocol: 0.02]' in out
    assert (
        'reads nowhere/VOCdevkit/VOC2007/ImageSets/Main/trainval.txt '
        '(missing)' in out
    )
    assert not list(place.iterdir())


def test_sizes_of_zero(mini_root, capsys):
    with pytest.raises(UserError, match='every size must be 1 or more'):
        parse_arch('resnet18-w0')
    assert parse_arch('resnet18-w10').base == 10
    words = f'transfer random --arch resnet18-w16 --tasks mini_knn --gpus 0 --data-root {mini_root}'
    assert main(words.split()) == 2
    assert 'name 1 or more' in capsys.readouterr().err
