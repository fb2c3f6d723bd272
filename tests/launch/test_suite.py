"""Suites: what the file may say, and what is left to run."""

import re
from pathlib import Path

import pytest

from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError
from ssl_bench.launch.costs import PRETRAINING, cost_lines, pretraining_hours
from ssl_bench.launch.coverage import Planned
from ssl_bench.launch.suite import (
    Launch,
    Method,
    Run,
    Suite,
    read_suite,
    with_options,
)
from ssl_bench.results.published import PublishedIndex, published
from ssl_bench.tasks.table import find_task

SUITES = sorted((config_dir().parent / 'suites').rglob('*.yaml'))
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
        (
            '  - random',
            '  - {config: mini/mocov2_r18.py, meta: {pretrain_data: x}}',
            r'methods\[0\] has `meta`, which is of a given file',
        ),
        (
            '  - random',
            '  - {checkpoint: a.pth, meta: {method: x}}',
            r'methods\[0\] has method in `meta`: write `name`',
        ),
        (
            '  - random',
            '  - {checkpoint: a.pth, meta: {pretrain_dat: x}}',
            "header field 'pretrain_dat'.*pretrain_data",
        ),
        (
            '  - random',
            '  - {checkpoint: a.pth, meta: {pretrain_epochs: many}}',
            'pretrain_epochs=many: expected a whole number',
        ),
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
        for task, recipe, kind in suite.runs_of(method):
            plan = make_plan(task, recipe=recipe or None, train=kind)
            if 'maps' in plan.config.get('model', {}):
                continue  # of any backbone's
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


def test_meta_of_given_weights_goes_to_the_transfer(plan):
    given = Method(
        checkpoint='a.pth',
        name='DINOv2',
        meta={'pretrain_data': 'LVD-142M', 'pretrain_epochs': 100},
    )
    (command,) = plan(given).commands
    words = command.words
    assert [
        word for flag, word in zip(words, words[1:]) if flag == '--meta'
    ] == ['pretrain_data=LVD-142M', 'pretrain_epochs=100']
    assert words[words.index('--method') + 1] == 'DINOv2'


# the networks of the released files, as their readers name them
NETWORKS = {
    'dinov2_vits14': 'vit_small_patch14_dinov2',
    'dinov2_vitb14': 'vit_base_patch14_dinov2',
    'dinov2_vitl14': 'vit_large_patch14_dinov2',
    'dinov2_vitg14': 'vit_giant_patch14_dinov2',
    'dinov2_vitg14_reg4': 'vit_giant_patch14_reg4_dinov2',
    'dinov3_vits16': 'vit_small_patch16_dinov3',
    'dinov3_vits16plus': 'vit_small_plus_patch16_dinov3',
    'dinov3_vitb16': 'vit_base_patch16_dinov3',
    'dinov3_vitl16': 'vit_large_patch16_dinov3',
    'dinov3_vith16plus': 'vit_huge_plus_patch16_dinov3',
    'dinov3_vit7b16': 'vit_7b_patch16_dinov3',
    'dinov3_convnext_tiny': 'convnext_tiny',
    'dinov3_convnext_small': 'convnext_small',
    'dinov3_convnext_base': 'convnext_base',
    'dinov3_convnext_large': 'convnext_large',
}


@pytest.mark.parametrize(
    'name, papers, methods',
    [
        ('dinov2', ('DINOv2',), ('DINOv2',)),
        ('dinov3', ('DINOv3', 'DINOv3 model card'), ('DINOv2', 'DINOv3')),
        ('capi', ('CAPI v1', 'CAPI README'), ('CAPI', 'DINOv2+reg')),
    ],
)
def test_a_suite_of_released_files_meets_the_printed_numbers(
    name, papers, methods
):
    """All cells of its tasks that the paper prints for these weights."""
    suite, found = read_suite(name), set()
    for method in suite.methods[1:]:  # after the random one
        file = Path(method.checkpoint).stem.split('_pretrain')[0]
        known = (
            method.name or 'DINOv3',  # which its reader says
            '',
            NETWORKS.get(file, 'ViT-L/14'),  # CAPI's are all that one
            method.meta['pretrain_data'],
            None,
        )
        for task, recipe, _ in suite.runs_of(method):
            row = Planned(known, task, find_task(task).shown[0], recipe)
            cells = PublishedIndex().matches(row)
            assert cells, (file, task)
            found.update(cells)
    assert found == {
        cell
        for cell in published()
        if cell.reported_in in papers
        and cell.method in methods
        and cell.variant != 'raw features'  # the task standardises them
        and cell.task in {t for m in suite.methods for t in suite.tasks_of(m)}
    }


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
    assert plan(vit, tasks=tasks).missing == [
        Run('mini_in_a'),
        Run('mini_finetune'),
        Run('mini_linear', 'mae'),
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
    assert found.missing == [Run('mini_knn'), Run('mini_knn')]


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
    new = '+test_dataloader.dataset.what: 1'
    path.write_text(found.replace('test_dataloader.dataset.indices: 24', new))
    assert main(words) == 2
    error = capsys.readouterr().err
    assert 'failed' in error and 'of 4 commands, 4 failed.' in error


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


def test_old_and_new_forms_of_recipes_and_seeds(suite_file):
    suite = read_suite(
        suite_file("""
methods:
  - random
  - {checkpoint: a.pth, recipes: {in1k_linear: mae}}
  - {checkpoint: b.pth, tasks: [in1k_finetune, in_a, in_c],
     recipes: {in_c: default, in1k_finetune: [mae]}}
tasks: [in1k_linear, in1k_finetune, in_a, in1k_knn]
recipes: {in1k_linear: [default, siamese_im], in1k_finetune: [default, mae]}
seeds: [0]
task_seeds: {in1k_finetune: [0, 1, 2], in1k_knn: [5]}
""")
    )
    own, second, third = suite.methods
    both = (Run('in1k_finetune'), Run('in1k_finetune', 'mae'))
    assert suite.runs_of(own) == (
        Run('in1k_linear'),
        Run('in1k_linear', 'siamese_im'),
        *both,
        Run('in_a'),  # a test of each classifier
        Run('in_a', 'mae'),
        Run('in1k_knn'),
    )
    assert suite.recipes_of(second, 'in1k_linear') == ('mae',)
    assert suite.recipes_of(second, 'in_a') == ('', 'mae')
    assert suite.runs_of(third) == (
        Run('in1k_finetune', 'mae'),
        Run('in_a', 'mae'),
        Run('in_c'),
    )
    assert suite.seeds_of('in_a') == (0, 1, 2)  # of its classifier
    assert suite.seeds_of('in1k_linear') == (0,)
    assert suite.all_seeds == (0, 1, 2, 5)
    assert with_options(suite, seeds=(7,)).seeds_of('in_a') == (7,)
    assert with_options(suite, jobs=2).runs_of(own) == suite.runs_of(own)


@pytest.mark.parametrize(
    'text, message',
    [
        ('recipes: {in1k_knn: x}', 'recipe of in1k_knn .x.'),
        ('recipes: {in1k_finetune: [mae, mae]}', 'names mae twice'),
        ('recipes: {in1k_finetune: []}', 'must be a text or a list of texts'),
        ('recipes: {in1k_linear: mae}', 'in1k_linear, which no method runs'),
        ('task_seeds: {in1k_linear: [1]}', 'in1k_linear, which no method'),
        ('task_seeds: {in1k_knn: 1}', 'task_seeds.in1k_knn must be a list'),
        ('task_seeds: {in1k_knn: [1, 1]}', 'names 1 twice'),
        ('task_seeds: {in1k_kn: [1]}', 'in1k_kn.*in1k_knn'),
        ('seeds: [4294967296]', 'seeds.0. must be below 4294967296'),
        ('recipes: {in1k_knn: [default, default]}', 'names default twice'),
        ('seeds: [0]\nseeds: [1]', "key 'seeds' is there twice"),
        ('launch: {jobs: 1, jobs: 2}', "key 'jobs' is there twice"),
    ],
)
def test_recipes_and_seeds_that_mean_nothing(suite_file, text, message):
    start = 'methods: [random]\ntasks: [in1k_finetune, in1k_knn]\n'
    with pytest.raises(UserError, match=message):
        read_suite(suite_file(start + text))


def test_overrides_of_tasks_are_checked_before_anything_runs(plan):
    """They used to be checked after the pretrainings."""
    with pytest.raises(UserError, match='Did you mean headline'):
        plan(RANDOM, overrides={'probe.headlin': 1})
    assert len(plan(RANDOM, overrides={'probe.headline': 1}).commands) == 1


def test_an_architecture_is_looked_at_before_anything_runs(plan):
    found = plan(Method(checkpoint='random', arch='resnet51'))
    assert "--arch 'resnet51'" in found.problems[0]


def test_a_test_of_a_classifier_has_its_trainers_recipe(plan):
    """Those of MAE's cells used to look for a classifier without it."""
    tasks = ('in1k_finetune', 'in_a', 'in_c')
    vit = dict(config='mini/siamese_im_vit_tiny.py')
    mae = Method(**vit, recipes={'in1k_finetune': 'mae'})
    found = plan(mae, tasks=tasks).commands
    recipes = [c.words[c.words.index('--recipe') + 1] for c in found[1:]]
    assert recipes == ['mae', 'mae', 'mae']
    assert [command.after for command in found] == [None, 0, 1, 1]
    joined = plan(mae, tasks=tasks, launch=Launch(per='method')).commands
    assert joined[1].words[3:6] == tasks

    lost = 'in_a tests the classifier of in1k_finetune, which this'
    for method in (
        Method(**vit, tasks=('in_a',)),
        Method(
            **vit,
            tasks=tasks[:2],
            recipes={'in1k_finetune': 'mae', 'in_a': 'default'},
        ),
    ):
        problems = plan(method).problems
        assert [text for text in problems if text.startswith(lost)]
    assert not [
        text
        for text in plan(mae, tasks=tasks).problems
        if 'classifier' in text
    ]


def test_a_classifier_is_looked_for(plan, mini_root):
    vit = Method(checkpoint='random', arch='vit_d96_l4_h3_patch8')
    there = dict(data_root=str(mini_root))
    found = plan(vit, tasks=('mini_in_a',), **there)
    assert len(found.problems) == 1
    assert 'Fine-tune first (--tasks mini_finetune' in found.problems[0]
    assert not plan(
        vit, tasks=('mini_in_a', 'mini_finetune'), **there
    ).problems


def test_seeds_of_a_task_are_planned(plan):
    found = plan(
        RANDOM,
        MOCO,
        tasks=('mini_knn', 'mini_seg_fcn'),
        task_seeds={'mini_knn': (0, 1, 2)},
    )
    assert len(found.missing) == 2 * (3 + 1)
    assert found.pretrainings == [('mini/mocov2_r18.py', 25)]
    assert [c.after for c in found.commands if 'mini_seg_fcn' in c.words] == [
        None,
        2,
    ]


def test_pretraining_images_are_looked_for(plan, mini_root):
    message = 'no folder data/none/imagenet/train to pretrain on'
    assert any(message in text for text in plan(MOCO).problems)
    assert plan(MOCO, data_root=str(mini_root)).problems == []


def test_variants_of_one_config_have_folders_of_their_own(plan, tmp_path):
    methods = [
        Method(
            config='mini/pixpro_r18.py',
            variant=f'threshold {value}',
            overrides={'model.threshold': value},
        )
        for value in (0.3, 0.5)
    ]
    found = plan(*methods).commands
    folders = [c.words[c.words.index('--work-dir') + 1] for c in found[::2]]
    assert folders == [
        f'{tmp_path}/pixpro_r18_threshold-0-{part}_seed0' for part in (3, 5)
    ]
    variants = [c.words[c.words.index('--variant') + 1] for c in found[1::2]]
    assert variants == ['threshold 0.3', 'threshold 0.5']


def test_a_suite_in_a_folder(suite_file):
    assert read_suite('ablations/insloc').work_dir == (
        'work_dirs/ablations/insloc'
    )
    with pytest.raises(UserError, match='mean ablations/pixpro'):
        read_suite('ablations/pixpr')


def test_costs_are_those_of_the_sources():
    assert pretraining_hours('mocov2_r50_200e.py', 200) == 53 * 8
    assert pretraining_hours('configs/mocov2_r50_800e.py', 800) == 4 * 53 * 8
    assert pretraining_hours('barlow_twins_r50_1000e.py', 1000) == 2688
    assert pretraining_hours('barlow_twins_r50_300e.py', 300) == (
        pytest.approx(806.4)
    )
    assert pretraining_hours('byol_r50_300e.py', 300) == pytest.approx(1084.8)
    assert pretraining_hours('pixpro_r50_100e.py', 100) is None
    assert pretraining_hours('mini/mocov2_r18.py', 25) is None


def test_pretrainings_are_counted_and_unknown_costs_named():
    runs = [
        Run('coco_mrcnn_fpn_1x'),
        Run('in1k_linear'),
        Run('in1k_linear', 'mae'),
        *[Run('in1k_knn')] * 3,
    ]
    made = [('mocov2_r50_200e.py', 200), ('pixpro_r50_100e.py', 100)]
    assert cost_lines(runs, made) == [
        'transfers: about 127 GPU hours for 2 of 6; no source states those '
        'of in1k_linear, in1k_knn',
        'pretrainings: about 424 GPU hours for 1 of 2; no source states '
        'those of pixpro_r50_100e.py',
    ]
    assert cost_lines(runs[:1], made[:1]) == [
        'transfers: about 52 GPU hours',
        'pretrainings: about 424 GPU hours',
    ]
    assert cost_lines(runs[3:], []) == [
        'transfers: no source states the cost of in1k_knn'
    ]
    assert cost_lines([], []) == []


def test_every_cost_belongs_to_a_config():
    families = {
        re.sub(r'_\d+e$', '', path.stem) for path in config_dir().glob('*.py')
    }
    assert set(PRETRAINING) <= families
    assert all(cost.source for cost in PRETRAINING.values())


def test_a_pretraining_keeps_the_batch_of_its_config(plan):
    """64, however many processes share it."""
    moco = Method(config='mini/mocov2_r18.py')

    def options(method, **launch):
        found = plan(method, launch=Launch(**launch))
        return found.commands[0].words, found.problems

    assert 'train_dataloader.batch_size' not in str(options(moco)[0])
    words, problems = options(moco, processes=4)
    assert 'train_dataloader.batch_size=16' in words
    assert not [text for text in problems if 'batch' in text]
    words, problems = options(moco, processes=3)
    assert 'mini/mocov2_r18.py is for a batch of 64, which 3' in str(problems)
    own = Method(
        config='mini/mocov2_r18.py',
        overrides={'train_dataloader.batch_size': 8},
    )
    words, problems = options(own, processes=3)
    assert 'train_dataloader.batch_size=8' in words
    assert not [text for text in problems if 'batch' in text]


def test_what_is_trained_by_task(suite_file, plan):
    suite = read_suite(
        suite_file("""
methods:
  - random
  - {checkpoint: a.pth, train: {in1k_finetune: last:2}}
tasks: [in1k_finetune, in_a, in1k_knn]
train: {in1k_finetune: [full, lora:8]}
""")
    )
    own, second = suite.methods
    assert suite.runs_of(own) == (
        Run('in1k_finetune'),
        Run('in1k_finetune', train='lora:8'),
        Run('in_a'),  # a test of each classifier
        Run('in_a', train='lora:8'),
        Run('in1k_knn'),
    )
    assert suite.runs_of(second)[:2] == (
        Run('in1k_finetune', train='last:2'),
        Run('in_a', train='last:2'),
    )
    assert str(suite.runs_of(own)[1]) == 'in1k_finetune --train lora:8'
    for text, message in (
        ('train: {in1k_finetune: half}', 'write full, last:K'),
        ('train: {in1k_finetune: [last:2, last:2]}', 'names last:2 twice'),
        ('train: {in_r: frozen}', 'which no method runs'),
    ):
        with pytest.raises(UserError, match=message):
            read_suite(
                suite_file(
                    f'methods: [random]\ntasks: [in1k_finetune]\n{text}'
                )
            )
    vit = Method(
        checkpoint='random',
        arch='vit_d96_l4_h3_patch8',
        train={'mini_finetune': ('full', 'lora:2')},
    )
    tasks = ('mini_finetune', 'mini_in_a')
    found = plan(vit, tasks=tasks, launch=Launch(per='method')).commands
    assert [command.words[3:5] for command in found] == [tasks, tasks]
    given = [
        command.words[command.words.index('--train') + 1]
        for command in found
        if '--train' in command.words
    ]
    assert given == ['lora:2']
    with pytest.raises(UserError, match='Leave --train out'):
        plan(RANDOM, tasks=('mini_knn',), train={'mini_knn': ('frozen',)})
