"""The pretraining run: resume, failures, whole files."""

import copy
import io
import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from ssl_bench.config import load_config
from ssl_bench.engine.collapse import CollapseHook
from ssl_bench.engine.hooks import UnreadableImagesHook
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from tests.processes import run_in_processes


def state(path):
    return torch.load(path, weights_only=False)['state_dict']


def test_resumed_run_equals_the_straight_one(config, tmp_path):
    straight = pretrain(copy.deepcopy(config), tmp_path / 'straight')
    first = tmp_path / 'straight/epoch_1.pth'
    resumed = pretrain(config, tmp_path / 'halves', resume=str(first))
    assert resumed.parent.name == 'halves'
    wanted, got = state(straight), state(resumed)
    assert wanted.keys() == got.keys()
    for name in wanted:
        assert torch.equal(wanted[name], got[name]), name


LISTED = [
    'StepSeedHook',
    'RunSizeHook',
    'FiniteLossHook',
    'CollapseHook',
    'UnreadableImagesHook',
    'ViewSheetHook',
]
OF_PRETRAIN = ['ProvenanceHook', 'SpeedHook', 'PretrainCostHook']
# of every runner, whatever a config lists
ALWAYS = ['PartialGradientsHook', 'SavingHook', 'UpdateSchedulerHook']


@HOOKS.register_module()
class SeeHooks(Hook):
    """Keep the hooks of a run."""

    seen = []

    def before_run(self, runner):
        SeeHooks.seen = list(runner.hooks)


def hooks_of(config, folder, **options):
    """Names of a run's listed hooks, without those of every runner."""
    config.train_cfg.max_epochs = 1
    config.custom_hooks = [
        *config.get('custom_hooks', []),
        dict(type='SeeHooks'),
    ]
    pretrain(config, folder, **options)
    names = sorted(
        type(hook).__name__
        for hook in SeeHooks.seen
        if not type(hook).__module__.startswith('mmengine.')
        and type(hook) is not SeeHooks
    )
    assert set(ALWAYS) <= set(names)
    return [name for name in names if name not in ALWAYS]


def test_hooks_of_a_run_are_those_of_the_config(config, tmp_path):
    base = load_config('_base_/default_runtime')
    assert [hook.type for hook in base.pretraining_hooks] == LISTED
    assert base.get('custom_hooks') is None
    config.pretraining_hooks = base.pretraining_hooks
    assert hooks_of(config, tmp_path) == sorted([*LISTED, *OF_PRETRAIN])
    by_type = {type(hook).__name__: hook for hook in SeeHooks.seen}
    assert by_type['CollapseHook'].interval == 1  # the logger's
    assert by_type['UnreadableImagesHook'].limit is None  # the data set's


def test_hooks_of_a_recipe_of_mmpretrain_are_the_same(config, tmp_path):
    assert hooks_of(config, tmp_path) == sorted([*LISTED, *OF_PRETRAIN])


def test_a_config_replaces_the_list_of_hooks(config, tmp_path):
    config.pretraining_hooks = [dict(type='StepSeedHook')]
    assert hooks_of(config, tmp_path, quiet=True) == [
        'PretrainCostHook',
        'ProgressHook',
        'ProvenanceHook',
        'SpeedHook',
        'StepSeedHook',
    ]


def test_a_hook_of_the_config_replaces_the_listed_one(config, tmp_path):
    config.custom_hooks = [dict(type='CollapseHook', min_std=0.5)]
    assert hooks_of(config, tmp_path) == sorted([*LISTED, *OF_PRETRAIN])
    (hook,) = [hook for hook in SeeHooks.seen if type(hook) is CollapseHook]
    assert hook.min_std == 0.5


def test_only_marked_images_count_as_unreadable():
    class Images(list):
        unreadable = None
        unreadable_limit = 0.01
        img_prefix = 'folder'

    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=[1, 2]),
        cfg=ConfigDict(method=dict(changes=['a'])),
    )
    UnreadableImagesHook().after_train_iter(runner, 0)  # has no marks
    runner.train_dataloader.dataset = Images([1, 2])
    Images.unreadable = torch.tensor([False, True])
    with pytest.raises(
        UserError,
        match='1 of 2 .* than 1.000%.*check-images folder.*--resume auto',
    ):
        UnreadableImagesHook().after_train_iter(runner, 0)
    assert runner.cfg.method.changes == ['a']
    for limit, option in ((0.01, 0.5), (0.5, None)):
        Images.unreadable_limit = limit
        UnreadableImagesHook(option).after_train_iter(runner, 0)
        assert runner.cfg.method.changes == [
            'a',
            '1 of 2 training images cannot be read; others took their places',
        ]


def test_seed_changes_the_run(config, tmp_path):
    runs = [
        state(pretrain(copy.deepcopy(config), tmp_path / str(seed), seed=seed))
        for seed in (0, 1)
    ]
    assert not torch.equal(*(run['backbone.conv1.weight'] for run in runs))


def test_nothing_to_resume(config, tmp_path):
    with pytest.raises(UserError, match='nothing to resume'):
        pretrain(config, tmp_path, resume=True)
    with pytest.raises(UserError, match='no checkpoint'):
        pretrain(config, tmp_path, resume=str(tmp_path / 'none.pth'))
    mistyped = tmp_path / 'mistyped'
    for resume in (True, str(tmp_path / 'none.pth')):
        with pytest.raises(UserError):
            pretrain(config, mistyped, resume=resume)
    assert not mistyped.exists()


def test_the_advice_for_too_many_unreadable_images_works(
    config, tmp_path, image_folder
):
    """A higher limit, or readable files in their places; both resume."""
    (image_folder / 'a.heic').touch()
    (image_folder / '05.jpg').write_bytes(b'broken')
    with pytest.raises(UserError, match='1 of 12 training .* --resume auto'):
        pretrain(copy.deepcopy(config), tmp_path)
    more = copy.deepcopy(config)
    more.train_dataloader.dataset.unreadable_limit = 0.1
    more.train_cfg.max_epochs = 1
    meta = torch.load(
        pretrain(more, tmp_path, resume='auto'), weights_only=False
    )['meta']
    assert '1 of 12 training images cannot be read' in meta['cfg']
    log = max(tmp_path.glob('*/*.log')).read_text()
    assert f'12 images in {image_folder}: 12 .jpg; left out: 1 .heic' in log
    shutil.copy(image_folder / '04.jpg', image_folder / '05.jpg')
    assert pretrain(config, tmp_path, resume='auto').name == 'epoch_2.pth'


def mark(rank):
    """Each process marks another image."""
    images = SimpleNamespace(
        unreadable=torch.arange(4) == rank, unreadable_limit=1.0
    )
    runner = SimpleNamespace(
        train_dataloader=SimpleNamespace(dataset=images), cfg=ConfigDict()
    )
    UnreadableImagesHook().after_train_epoch(runner)
    return images.unreadable


def test_processes_join_their_marks_after_an_epoch():
    for marks in run_in_processes(mark, 2):
        assert marks.tolist() == [True, True, False, False]


def test_an_error_takes_the_bar_off_the_terminal(
    config, tmp_path, monkeypatch
):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr('sys.stderr', stream)
    config.optim_wrapper.optimizer.lr = 1e30
    with pytest.raises(UserError, match='loss became'):
        pretrain(config, tmp_path / 'run', quiet=True)
    assert 'pretrain run ' in stream.getvalue()
    assert stream.getvalue().endswith('\x1b[2K')


def test_error_of_a_loader_worker_is_one_line(config, tmp_path, image_folder):
    config.train_dataloader.num_workers = 1
    for path in image_folder.glob('*.jpg'):
        path.write_bytes(b'broken')
    with pytest.raises(UserError) as stop:
        pretrain(config, tmp_path)
    assert str(stop.value) == 'no readable image in the training folder.'


def test_full_disk_leaves_no_half_written_checkpoint(
    config, tmp_path, monkeypatch
):
    def full(checkpoint, path, **kwargs):
        with open(path, 'wb') as file:
            file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmengine.runner.runner.save_checkpoint', full)
    with pytest.raises(UserError, match='No space left.*--resume'):
        pretrain(config, tmp_path)
    assert not list(tmp_path.glob('*epoch_1*'))


def test_quiet_run_shows_a_progress_line_only(config, tmp_path, capfd):
    config.log_level = 'INFO'
    pretrain(config, tmp_path / 'quiet', quiet=True)
    out, error = capfd.readouterr()
    lines = [line for line in error.splitlines() if line]
    assert lines[-1].startswith('pretrain quiet: loss')
    assert 'mmengine' not in out
    log = next((tmp_path / 'quiet').glob('*/*.log')).read_text()
    assert 'Epoch(train)' in log


@pytest.mark.parametrize(
    'key, value, message',
    [
        ('optim_wrapper.optimizer.type', 'SDG', 'Did you mean SGD'),
        ('model.backbone.typo', 1, "unexpected keyword argument 'typo'"),
        ('train_dataloader.batch_size', 0, 'batch_size must be 1 or more'),
        ('model', None, 'not a pretraining config'),
        ('custom_hooks', ["dict(type='A')"], 'custom_hooks has '),
        ('photometric', 'gpu', 'unknown setting of `photometric`'),
    ],
)
def test_mistakes_are_one_line(config, tmp_path, key, value, message):
    config.merge_from_dict({key: value})
    with pytest.raises(UserError, match=message) as error:
        pretrain(config, tmp_path / 'w')
    assert '\n' not in str(error.value)


def test_a_file_in_the_place_of_the_folder(config, tmp_path):
    (tmp_path / 'w').touch()
    with pytest.raises(UserError, match='w is a file, not a folder'):
        pretrain(config, tmp_path / 'w' / 'run')
