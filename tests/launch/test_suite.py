"""Suites: what the file may say, and what is left to run."""

from pathlib import Path

import pytest

from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError
from ssl_bench.launch.suite import (
    Launch,
    Method,
    Suite,
    read_suite,
    with_options,
)

SUITES = sorted((config_dir().parent / 'suites').glob('*.yaml'))
GOOD = """
methods:
  - random
  - configs/mini/mocov2_r18.py
  - {config: configs/mini/insloc_r18_fpn.py, tasks: [mini_knn], amp: true}
tasks: [mini_knn, mini_seg_fcn]
seeds: [0, 1]
launch: {processes: 2}
"""


@pytest.fixture
def suite_file(tmp_path):
    def write(text):
        path = tmp_path / 'mine.yaml'
        path.write_text(text)
        return path

    return write


def test_a_suite_is_read(suite_file):
    suite = read_suite(suite_file(GOOD))
    assert suite == Suite(
        methods=(
            Method(checkpoint='random'),
            Method(config='configs/mini/mocov2_r18.py'),
            Method(
                config='configs/mini/insloc_r18_fpn.py',
                tasks=('mini_knn',),
                amp=True,
            ),
        ),
        tasks=('mini_knn', 'mini_seg_fcn'),
        seeds=(0, 1),
        work_dir='work_dirs/mine',
        launch=Launch(processes=2),
    )
    assert suite.tasks_of(suite.methods[1]) == ('mini_knn', 'mini_seg_fcn')
    assert suite.tasks_of(suite.methods[2]) == ('mini_knn',)


@pytest.mark.parametrize(
    'old, new, words',
    [
        ('seeds: [0, 1]', 'sedes: [0, 1]', "key of the file 'sedes'.*seeds"),
        ('tasks: [mini_knn, mini_seg_fcn]', 'tasks: [mini_kn]', 'mini_knn'),
        ('tasks: [mini_knn, mini_seg_fcn]', '', r'methods\[0\] has no tasks'),
        ('seeds: [0, 1]', 'seeds: 3', 'seeds must be a list, not 3'),
        (
            'seeds: [0, 1]',
            'seeds: [true]',
            r'seeds\[0\] must be a whole number, not True',
        ),
        ('seeds: [0, 1]', 'seeds: [1.0]', 'a whole number, not 1.0'),
        ('seeds: [0, 1]', 'seeds: [0, -1]', r'seeds\[1\] must be at least 0'),
        ('seeds: [0, 1]', 'seeds: []', 'seeds must list at least one'),
        ('seeds: [0, 1]', '1: 2', "key of the file '1'"),
        ('  - random', '  - {arch: resnet18}', r'methods\[0\] needs one of'),
        (
            '  - random',
            '  - {checkpoint: random, amp: true}',
            r'methods\[0\] has .* already pretrained',
        ),
        (
            '  - random',
            '  - {checkpoint: random, archs: x}',
            r"key of methods\[0\] 'archs'. Did you mean arch",
        ),
        (
            '  - random',
            '  - 3',
            r'methods\[0\] must be keys and values, not 3',
        ),
        ('processes: 2', 'processes: 0', 'launch.processes must be above 0'),
        ('processes: 2', 'proceses: 2', "of launch 'proceses'.*processes"),
        ('processes: 2', 'nodes: 2', 'launch has .* need `executor: slurm`'),
        ('processes: 2', 'executor: slrum', "launch.executor 'slrum'.*slurm"),
        ('{processes: 2}', 'slurm', 'launch must be keys and values'),
        (
            'amp: true',
            'amp: maybe',
            r"methods\[2\].amp must be true or false, not 'maybe'",
        ),
        ('amp: true', 'recipes: {mini_nothing: x}', 'mini_nothing'),
        ('amp: true', 'recipes: {mini_knn: 3}', 'mini_knn must be a text'),
        (GOOD, 'methods: {}', 'methods must list at least one'),
        (GOOD, 'tasks: [mini_knn]', 'methods must list at least one'),
        (GOOD, '- 1', 'the file must be keys and values'),
        (GOOD, 'methods: [', 'is not YAML'),
    ],
)
def test_what_means_nothing_is_refused(suite_file, old, new, words):
    assert old in GOOD
    with pytest.raises(UserError, match=f'mine.yaml.*{words}'):
        read_suite(suite_file(GOOD.replace(old, new)))


def test_the_command_line_is_checked_too(suite_file):
    suite = read_suite(suite_file(GOOD + '\nwork_dir: here\n'))
    changed = with_options(suite, executor='slurm', jobs=3, seeds=(4,))
    assert (changed.launch.executor, changed.launch.jobs) == ('slurm', 3)
    assert (changed.launch.processes, changed.seeds) == (2, (4,))
    assert (changed.methods, changed.work_dir) == (suite.methods, 'here')
    assert with_options(suite, executor=None, data_root=None) == suite
    wide = with_options(
        read_suite(
            suite_file(
                GOOD.replace('processes: 2', 'executor: slurm, nodes: 2')
            )
        )
    )
    with pytest.raises(UserError, match='several machines need'):
        with_options(wide, executor='local')


def test_an_empty_launch_is_the_default(suite_file):
    text = GOOD.replace('launch: {processes: 2}', 'launch:')
    assert read_suite(suite_file(text)).launch == Launch()


def test_a_misspelt_suite_has_a_near_name():
    with pytest.raises(UserError, match='no suite at inslok.*insloc'):
        read_suite('inslok')
    assert read_suite('insloc').work_dir == 'work_dirs/insloc'


@pytest.mark.slow
@pytest.mark.parametrize('path', SUITES, ids=lambda path: path.stem)
def test_every_suite_can_be_built(registered, path):
    """Its configs load, and each task takes the recipe it names."""
    from ssl_bench.transfer.plan import make_plan

    suite = read_suite(path)
    for method in suite.methods:
        vit = 'vit' in method.arch
        if method.config:
            backbone = load_config(method.config).model.backbone
            vit = 'depth' not in backbone
        for task in suite.tasks_of(method):
            plan = make_plan(task, recipe=method.recipes.get(task))
            takes = str(plan.config.get('model', {}).get('backbone'))
            if 'arch' in takes or 'depth' in takes:
                assert vit == ('depth' not in takes), (method, task)


@pytest.fixture
def plan(registered, tmp_path):
    from ssl_bench.launch.plan import plan_suite

    def of(*methods, **settings):
        settings = (
            dict(
                tasks=('mini_knn',),
                work_dir=str(tmp_path),
                data_root='data/none',
            )
            | settings
        )
        return plan_suite(Suite(methods=tuple(methods), **settings))

    return of


MOCO = Method(config='mini/mocov2_r18.py', overrides={'epochs': 3})
RANDOM = Method(checkpoint='random')


def test_transfers_wait_for_their_pretraining(plan, tmp_path):
    found = plan(RANDOM, MOCO, seeds=(4, 5)).commands
    assert [command.after for command in found] == [None, None, 1, None, 1]
    words = found[1].words
    assert words[:2] == ('pretrain', 'mini/mocov2_r18.py')
    assert words[words.index('--seed') + 1] == '4'
    assert words[-2:] == (
        'epochs=3',
        'train_dataloader.dataset.data_root=data/none/imagenet/train',
    )
    assert (
        found[4].words[1]
        == found[2].words[1]
        == str(tmp_path / 'mocov2_r18_seed4/epoch_25.pth')
    )

    each = plan(RANDOM, MOCO, seeds=(4, 5), pretrain_each_seed=True).commands
    assert [command.after for command in each] == [
        None,
        None,
        1,
        None,
        None,
        4,
    ]
    assert '_seed5/' in each[5].words[1]


def test_a_finished_pretraining_is_not_repeated(plan, tmp_path):
    last = tmp_path / 'mocov2_r18_seed0/epoch_2.pth'
    last.parent.mkdir()
    last.touch()
    two = Method(
        config='mini/mocov2_r18.py', overrides={'train_cfg.max_epochs': 2}
    )
    assert [
        (command.words[:2], command.after) for command in plan(two).commands
    ] == [(('transfer', str(last)), None)]


def test_two_pretrainings_do_not_share_a_folder(plan):
    assert (
        len(plan(MOCO, MOCO, tasks=('mini_knn', 'mini_linear')).commands) == 5
    )  # one pretraining, whatever asks for it
    with pytest.raises(UserError, match='two methods would pretrain in'):
        plan(MOCO, Method(config='mini/mocov2_r18.py'))


def test_commands_follow_tasks_or_methods(plan):
    tasks = ('mini_in_a', 'mini_finetune', 'mini_linear')
    vit = Method(
        checkpoint='random',
        arch='vit_d96_l4_h3_patch8',
        recipes={'mini_linear': 'mae'},
    )
    single = plan(vit, tasks=tasks).commands
    assert [command.words[3] for command in single] == [
        'mini_finetune',
        'mini_linear',
        'mini_in_a',
    ]
    assert [command.after for command in single] == [None, None, 0]
    assert ['--recipe' in command.words for command in single] == [
        False,
        True,
        False,
    ]
    joined = plan(vit, tasks=tasks, launch=Launch(per='method')).commands
    assert [command.words[3:5] for command in joined] == [
        ('mini_finetune', 'mini_in_a'),
        ('mini_linear', '--seeds'),
    ]


def test_what_is_not_there_is_said_before_anything_runs(plan, capsys):
    found = plan(RANDOM, Method(checkpoint='supervised=nowhere.pth'))
    assert len(found.problems) == 2
    assert 'nowhere.pth' in found.problems[0]
    assert 'data/none' in found.problems[1]
    assert found.missing == ['mini_knn', 'mini_knn']


@pytest.mark.slow
def test_a_suite_runs_once(suite_file, tmp_path, capsys, monkeypatch):
    """Only what is missing runs; a broken run stops nothing but itself."""
    monkeypatch.chdir(tmp_path)
    mini = str(tmp_path / 'mini')
    assert main(['data', 'mini', '--root', mini]) == 0
    path = suite_file(f"""
methods:
  - {{checkpoint: random, arch: resnet18-w16}}
  - config: {config_dir()}/mini/mocov2_r18.py
    overrides:
      train_cfg.max_epochs: 1
      train_dataloader.dataset.indices: 64
tasks: [mini_knn]
overrides: {{test_dataloader.dataset.indices: 24}}
data_root: {mini}
""")
    words = ['run', str(path), '--jobs', '1']
    assert main([*words, '--dry-run']) == 0
    dry = capsys.readouterr().out
    assert '0 records are there, 2 are missing' in dry
    assert '[3/3] $ ssl-bench transfer' in dry and '(after 2)' in dry
    assert not Path('work_dirs').exists()

    assert main(words) == 0
    table = Path('work_dirs/mine/leaderboard.csv').read_text()
    assert 'MoCo v2' in table and 'Random init' in table
    capsys.readouterr()
    assert main(words) == 0
    assert '2 records are there, 0 are missing' in capsys.readouterr().out

    # another seed of the random network alone, and one that fails
    found = path.read_text().replace('tasks:', 'seeds: [0, 1]\ntasks:')
    path.write_text(found.replace('dataset.indices: 24', 'dataset.what: 1'))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert 'failed' in error and '0 commands ended well, 4 failed' in error


@pytest.mark.parametrize(
    'text, message',
    [
        ('tasks: [mini_knn, mini_knn]', 'names mini_knn twice'),
        ('tasks: [mini_knn]\nseeds: [1, 1]', 'names 1 twice'),
        ('tasks: [mini_linear]', 'recipe of mini_linear .nope.'),
    ],
)
def test_what_would_run_twice_or_not_at_all(tmp_path, text, message):
    recipes = '\n    recipes: {mini_linear: nope}' * ('linear' in text)
    path = tmp_path / 'one.yaml'
    path.write_text(f'methods:\n  - checkpoint: random{recipes}\n{text}\n')
    with pytest.raises(UserError, match=message):
        read_suite(path)
