"""Tasks of a file anywhere: what they are, and what is refused."""

import sys

import pytest
import yaml

from ssl_bench.catalog import describe
from ssl_bench.cli import build_parser, main
from ssl_bench.config import load_config, own_literals
from ssl_bench.errors import UserError
from ssl_bench.launch.commands import transfer_command
from ssl_bench.launch.suite import read_suite
from ssl_bench.tasks.custom import file_task, named_task, task_ids, task_word
from ssl_bench.tasks.own import OwnData, OwnSplit
from ssl_bench.tasks.table import (
    _table,
    find_task,
    on_own_data,
    task_config,
    tasks,
)
from ssl_bench.transfer.plan import make_plan

KNN = "_base_ = 'ssl_bench::transfer/mini_knn.py'\n"


@pytest.fixture(autouse=True)
def _fresh_table():
    """Files that a test adds are of that test alone."""
    _table.cache_clear()
    yield
    _table.cache_clear()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder; returns a function that writes a file in it."""
    monkeypatch.chdir(tmp_path)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_file_with_a_base_and_a_few_changes_is_a_task(here):
    base = find_task('mini_knn')
    path = here('my_task.py', f'{KNN}probe = dict(neighbours=[3], headline=3)')
    task = named_task('my_task.py')
    assert (task.id, task.title) == ('custom:my_task', 'my_task')
    assert task.metrics == base.metrics and task.dataset == base.dataset
    assert (task.shown, task.group) == (base.shown, base.group)
    assert 'my_task.py, which changes mini_knn: ' in task.source
    assert task_config('custom:my_task') == path.resolve()
    plan, protocol = make_plan('custom:my_task'), make_plan('mini_knn')
    assert plan.config.probe.neighbours == [3]
    # what it costs is not known of changed settings
    here('fpn.py', "_base_ = ['ssl_bench::transfer/coco_mrcnn_fpn_1x.py']")
    assert find_task('coco_mrcnn_fpn_1x').gpu_hours
    assert named_task('fpn.py').gpu_hours is None
    assert plan.config_sha256 != protocol.config_sha256
    # lists show what is installed
    assert 'custom:my_task' not in list(tasks())


def test_the_task_of_a_file_is_merged_over_that_of_its_bases(here):
    # whose own metrics are those of another task
    base = find_task('nyu_depth_lin4_dinov2')
    assert own_literals(task_config(base.id))['TASK']['metrics'] == (
        'nyu_depth_lin1_dinov2'
    )
    here('mine/most.py', "_base_ = 'ssl_bench::transfer/" + base.id + ".py'\n")
    here(
        'late.py',
        "_base_ = ['mine/most.py']\n"
        "TASK = dict(title='Late', order=7,\n"
        '            metrics=dict(RMSE=dict(tolerance=0.75)))\n',
    )
    task = named_task('late.py')
    assert (task.title, task.order) == ('Late', 7)
    assert task.metrics.keys() == base.metrics.keys()
    assert task.metrics['RMSE'].tolerance == 0.75
    assert task.metrics['RMSE'].toolkit == base.metrics['RMSE'].toolkit
    assert not task.metrics['RMSE'].higher_is_better


def test_a_file_can_have_another_data_set(here):
    here(
        'flowers.py',
        KNN + "TASK = dict(dataset=dict(layout='class_folders', "
        "title='My flowers', train='f/train', test='f/val'))\n",
    )
    assert named_task('flowers.py').data.title == 'My flowers'


def test_a_file_of_the_table_is_that_task(here):
    path = task_config('mini_knn')
    assert task_ids([str(path), 'mini_lp']) == ['mini_knn', 'mini_lp']


@pytest.mark.parametrize(
    'name, text, message',
    [
        ('away.py', None, 'no task file at away.py'),
        ('mini_knn.py', None, 'is written without .py: mini_knn'),
        (
            'near.py',
            "_base_ = 'ssl_bench::transfer/mini_kn.py'",
            'near.py .*Did you mean ssl_bench::transfer/mini_knn.py',
        ),
        ('alone.py', 'a = 1', "alone.py has no task: .* = 'ssl_bench::"),
        ('cut.py', 'TASK = dict(', 'cut.py .*SyntaxError'),
        ('ring.py', "_base_ = 'ring.py'", 'ring.py .*its own bases'),
        (
            'typo.py',
            KNN + 'TASK = dict(titel=1)',
            "typo.py: unknown field of TASK 'titel'. Did you mean title",
        ),
        ('kind.py', KNN + 'TASK = dict(order="1")', 'kind.py: TASK.order'),
        (
            'show.py',
            KNN + "TASK = dict(shown=['mIoU'])",
            "show.py: TASK: 'mIoU' of `shown` is not in `metrics`",
        ),
        (
            'name.py',
            KNN + "TASK = dict(id='other')",
            "name.py: TASK: id 'other' is not the name",
        ),
        ('fail.py', f'{KNN}a = 1 / 0', 'fail.py .*ZeroDivisionError'),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(here, name, text, message):
    if text is not None:
        here(name, text)
    with pytest.raises(UserError, match=message) as error:
        make_plan(named_task(name).id)
    assert '\n' not in str(error.value)


def test_two_files_of_one_name_are_refused(here):
    here('a/same.py', KNN)
    here('b/same.py', KNN)
    with pytest.raises(UserError, match='would both be custom:same'):
        task_ids(['a/same.py', 'b/same.py'])


def test_a_file_that_changed_is_read_again(here):
    here('mine.py', KNN)
    assert named_task('mine.py').title == 'mine'
    here('mine.py', f"{KNN}TASK = dict(title='New')")
    assert named_task('mine.py').title == 'New'


def test_a_file_together_with_own_data(here, mini_root):
    here('mine.py', f"{KNN}TASK = dict(title='My kNN')")
    images = mini_root / 'imagenet'
    own = OwnData(
        name='shapes',
        kind='folders',
        train=OwnSplit(images=str(images / 'train')),
        val=OwnSplit(images=str(images / 'val')),
        classes=tuple(sorted(p.name for p in (images / 'val').iterdir())),
    )
    task = on_own_data(named_task('mine.py').id, own)
    assert (task.id, task.title) == ('custom:shapes/mine', 'shapes: My kNN')
    assert str(images) in str(make_plan(task.id).config.train_dataloader)


def test_commands_that_take_a_file(here, mini_root, capsys):
    here('mine.py', f"{KNN}TASK = dict(title='My kNN')")
    root = str(mini_root)
    assert main(['tasks', 'mine.py']) == 0
    assert capsys.readouterr().out.startswith('custom:mine: My kNN\n')
    assert main(['data', 'check', 'mine.py', '--data-root', root]) == 0
    assert capsys.readouterr().out.startswith('mine.py: fine')
    words = ['transfer', 'random', '--arch', 'resnet18-w16', '--dry-run']
    assert main([*words, '--tasks', 'mine.py', '--data-root', root]) == 0
    assert 'custom:mine' in capsys.readouterr().out


def test_suites_name_files(here, tmp_path, monkeypatch):
    path = here('runs/mine.py', KNN)
    content = dict(
        methods=[dict(checkpoint='random', arch='resnet18-w16')],
        tasks=['mine.py', 'mini_knn'],
        task_seeds={'mine.py': [4, 5]},
    )
    suite = here('runs/suite.yaml', yaml.safe_dump(content))
    found = read_suite(suite)  # next to the suite
    assert found.tasks == ('custom:mine', 'mini_knn')
    assert found.seeds_of('custom:mine') == (4, 5)
    [method] = found.methods
    command = transfer_command(
        found, method, 'random', found.runs_of(method), 4, None
    )
    args = build_parser().parse_args(list(command.words))
    assert args.tasks == [str(path.resolve()), 'mini_knn']
    # or in the current folder
    suite = here('suites/suite.yaml', yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path / 'runs')
    assert read_suite(suite).tasks == found.tasks
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='suite .*no task file at mine.py'):
        read_suite(suite)


def test_what_names_a_task_in_a_command(here):
    path = here('mine.py', KNN)
    assert task_word(file_task('mine.py').id) == str(path.resolve())
    assert task_word('mini_knn') == 'mini_knn'


METHOD = '''
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS


@MODELS.register_module()
class NextToItsConfig(BaseSelfSupervisor):
    """Predict nothing.

    Reference: A. Uthor, arXiv:1234.56789.
    Parity: none; this class is a test.
    """
'''


def test_a_method_next_to_its_config(here, monkeypatch):
    """The installed command has no current folder in its path."""
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if p])
    before = list(sys.path)
    here('mine/next_to_its_config.py', METHOD)
    path = here(
        'mine/my_config.py',
        "_base_ = ['ssl_bench::_base_/default_runtime.py',\n"
        "          'ssl_bench::_base_/models/insloc_c4.py']\n"
        "custom_imports = dict(imports=['next_to_its_config'])\n"
        "method = dict(name='Next')\n"
        "model = dict(type='NextToItsConfig')\n",
    )
    text = describe('mine/my_config.py')
    assert text.startswith('Next (class NextToItsConfig)\n\nPredict nothing.')
    load_config(path)
    assert 'next_to_its_config' in sys.modules
    # last: a file there cannot take the place of an installed package
    assert sys.path == [*before, str(path.parent.resolve())]
