"""The task table: what one config says, and who uses it."""

import re

import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.cli.tasks import main_metric
from ssl_bench.config import config_dir, load_config
from ssl_bench.errors import UserError
from ssl_bench.results import write_record
from ssl_bench.tasks.table import (
    _table,
    find_task,
    recipes_of,
    require_data,
    task_config,
    tasks,
)
from ssl_bench.toolbox.reported import reported
from ssl_bench.transfer.checks import check_metrics
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from tests.results.factory import make_record

LITERAL = """
TASK = dict(
    id='flowers', title='Flowers kNN', group='features', toolbox='probe',
    dataset='mini_imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'], source='nobody')
_base_ = '%s'
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A further folder of configs; returns a function that adds a task."""
    monkeypatch.setenv('SSL_BENCH_CONFIGS', str(tmp_path / 'more'))
    (tmp_path / 'more/transfer').mkdir(parents=True)

    def add(text=LITERAL, name='flowers'):
        path = tmp_path / f'more/transfer/{name}.py'
        base = config_dir() / 'transfer/mini_knn.py'
        path.write_text(text % base if '%s' in text else text)
        _table.cache_clear()
        return path

    yield add
    _table.cache_clear()


@pytest.mark.parametrize('name', tasks())
def test_every_config_says_what_its_task_is(name):
    task = tasks()[name]
    assert task.id == task_config(name).stem
    assert set(task.shown) <= set(task.metrics)
    assert all(rule.tolerance > 0 for rule in task.metrics.values())
    assert task.trained_by == '' or task.trained_by in tasks()


def test_every_config_is_a_task():
    files = {path.stem for path in (config_dir() / 'transfer').glob('*.py')}
    assert files == set(tasks()) and tasks().broken == {}


@pytest.mark.parametrize(
    'metric, known',
    [
        ('top1', True),
        ('top1_k200', True),
        ('top1_ms_flip', True),
        ('top', False),
        ('top_1', False),
        ('', False),
    ],
)
def test_varieties_of_a_metric(metric, known):
    assert (find_task('mini_knn').metric(metric) is not None) == known


def test_one_file_is_a_task(folder, source, mini_root, tmp_path, capsys):
    """Listed, checked, run, recorded and shown; nothing else is edited."""
    folder()
    assert main(['tasks', 'flowers']) == 0
    assert 'Flowers kNN' in capsys.readouterr().out
    assert (
        main(['data', 'check', 'flowers', '--data-root', str(mini_root)]) == 0
    )
    assert capsys.readouterr().out == 'flowers: fine\n'
    outcome = run_task(source, 'flowers', 0, tmp_path / 'runs', str(mini_root))
    assert set(outcome.record['metrics']) == {'top1', 'top1_k5', 'top1_k20'}
    output = tmp_path / 'board.csv'
    assert main(
        ['leaderboard', str(tmp_path / 'runs'), '-o', str(output)]
    ) in (0, 3)
    assert ',flowers,top1,' in output.read_text()
    assert 'Flowers kNN (flowers)' in capsys.readouterr().out


OWN = """
TASK = dict(
    id='flowers', title='Flowers kNN', group='features', toolbox='probe',
    dataset=dict(
        layout='class_folders', title='My flowers',
        train='flowers/train', test='flowers/val'),
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'], source='nobody')
_base_ = '%s'
probe = dict(neighbours=[1, 3], headline=3)
train_dataloader = dict(dataset=dict(data_root='data/flowers/train'))
test_dataloader = dict(dataset=dict(data_root='data/flowers/val'))
"""


def test_one_file_is_a_task_on_own_data(
    folder, source, tmp_path, photo, capsys
):
    """The same with a data set that only this file knows."""
    folder(OWN)
    root = tmp_path / 'mine'
    check = ['data', 'check', 'flowers', '--data-root', str(root)]
    assert main(['tasks', 'flowers', '--data-root', str(root)]) == 0
    out = capsys.readouterr().out
    assert f'My flowers, below {root}: ' in ' '.join(out.split())
    assert '             flowers/train\n             flowers/val\n' in out
    assert main(check) == 1
    out = capsys.readouterr().out
    assert f'the data root {root} is not there; ' in out
    assert f'missing: {root}/flowers/train, {root}/flowers/val; ' in out
    with pytest.raises(UserError, match='needs My flowers.*copy your files'):
        run_task(source, 'flowers', 0, tmp_path / 'runs', str(root))
    for index in range(12):
        corner = 30 * index
        path = root / 'flowers' / ('train' if index < 8 else 'val')
        path = path / ('daisy', 'rose')[index % 2] / f'{index}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo[corner : corner + 99, :120]).save(path)
    assert main(check) == 0
    assert capsys.readouterr().out == 'flowers: fine\n'
    outcome = run_task(source, 'flowers', 0, tmp_path / 'runs', str(root))
    record = outcome.record
    assert record['data']['name'] == 'My flowers'
    assert record['data']['images'] == 8
    assert record['departures'] == [] and 'top1_k3' in record['metrics']
    output = tmp_path / 'board.csv'
    assert main(
        ['leaderboard', str(tmp_path / 'runs'), '-o', str(output)]
    ) in (0, 3)
    assert ',flowers,top1,' in output.read_text()
    (root / 'flowers/val/daisy/8.png').write_text('no image')
    assert main([*check, '--decode', 'all']) == 1
    assert '8.png: it is not an image' in capsys.readouterr().out


def test_a_record_outlives_its_task(folder, tmp_path, capsys):
    """Without the config: readable, shown as such, not ranked."""
    path = folder()
    for seed, value in ((0, 50.0), (1, 60.0)):
        write_record(
            tmp_path / f'runs/{seed}',
            make_record(task='flowers', seed=seed, metrics={'top1': value}),
        )
    path.unlink()
    _table.cache_clear()
    assert main(['leaderboard', str(tmp_path / 'runs')]) == 3
    shown = capsys.readouterr()
    assert 'flowers, not installed' in shown.out
    assert 'flowers has no config here' in shown.err
    with pytest.raises(UserError, match='unknown task .flowers'):
        write_record(tmp_path / 'x', make_record(task='flowers'))


@pytest.mark.parametrize(
    'old, new, message',
    [
        ('TASK = dict(', 'OTHER = dict(', 'no literal `TASK'),
        ("title='Flowers kNN', ", '', 'TASK.title: Field required'),
        (
            "source='nobody'",
            "sorce='x', source='y'",
            "field of TASK 'sorce'. Did you mean source",
        ),
        ("'mini_imagenet'", "'mini_imagnet'", 'mean mini_imagenet'),
        (
            "'mini_imagenet'",
            "dict(layout='folders')",
            'mask_folders, class_folders',
        ),
        (
            "'mini_imagenet'",
            "dict(layout='class_folders', title='x', test='a', label=1)",
            'TASK: dataset: class_folders: label: Extra inputs',
        ),
        ("'mini_imagenet'", '7', 'TASK.dataset'),
        ("'probe'", "'prob'", "toolbox 'prob' is none of"),
        ("'probe'", "'mmseg'", 'metrics.top1 needs `toolkit`'),
        ("shown=['top1']", "shown=['top']", "'top' of `shown` is not in"),
        ('tolerance=0.5', 'tolerance=None', 'TASK.metrics.top1.tolerance'),
        (
            "source='nobody'",
            "source='x', gpu_hours=3.0",
            '`gpu_hours` and `cost_source` need each other',
        ),
        ("id='flowers'", "id='flower'", 'not the name of the file'),
        ("source='nobody'", "source='x', trained_by='y'", "'y' is not a ta"),
    ],
)
def test_a_broken_literal_is_one_line_and_breaks_no_other_task(
    folder, capsys, old, new, message
):
    path = folder(LITERAL.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        find_task('flowers')
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)
    assert find_task('mini_knn').title == 'Mini kNN'
    assert main(['tasks']) == 0
    found = capsys.readouterr()
    assert 'mini_knn' in found.out and str(path) in found.err


def test_metrics_are_those_of_a_task_next_to_it(folder):
    folder()
    text = LITERAL.replace('flowers', 'leaves')
    text = text.replace("{'top1': dict(tolerance=0.5)}", "'flowers'")
    path = folder(text, 'leaves')
    assert find_task('leaves').metrics == find_task('flowers').metrics
    assert find_task('mini_depth').metrics['RMSE'].unit == 'metres'
    path.write_text(path.read_text().replace("'flowers'", "'petals'"))
    _table.cache_clear()
    with pytest.raises(UserError, match='petals.py has no metrics of its own'):
        find_task('leaves')


def test_an_id_cannot_be_taken_twice(folder):
    path = folder(LITERAL.replace('flowers', 'mini_knn'), 'mini_knn')
    assert find_task('mini_knn').title == 'Mini kNN'
    assert str(path) in tasks().broken['mini_knn']


def test_the_folder_must_be_there(monkeypatch):
    monkeypatch.setenv('SSL_BENCH_CONFIGS', '/nowhere')
    with pytest.raises(UserError, match='/nowhere is not a folder'):
        tasks()


def test_misspelt_task():
    with pytest.raises(UserError, match='mean mini_voc_det_c4'):
        find_task('mini_voc_det_c5')


def test_missing_data_names_folder_and_command(tmp_path):
    with pytest.raises(UserError) as caught:
        require_data('mini_coco_mrcnn_fpn', tmp_path)
    text = str(caught.value)
    assert f'{tmp_path}/coco/annotations/instances_train2017.json' in text
    assert f'ssl-bench data mini --root {tmp_path}' in text
    with pytest.raises(UserError, match='VOCtrainval_06-Nov-2007.tar'):
        require_data('voc0712_det_c4', tmp_path)


def test_data_that_are_there(mini_root, tmp_path):
    mini = {n: t for n, t in tasks().items() if t.root == 'data/mini'}
    assert len(mini) > 10
    for name, task in mini.items():
        require_data(name, mini_root)
        # a folder is there with what is in it
        *others, last = (
            path
            for path in task.data.paths
            if not any(p.startswith(f'{path}/') for p in task.data.paths)
        )
        for path in others:  # in a root without the last one
            link = tmp_path / name / path
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(mini_root / path)
        with pytest.raises(UserError, match=f'{last} is not there'):
            require_data(name, tmp_path / name)


def test_list_of_tasks(capsys):
    assert main(['tasks']) == 0
    legend, *parts, foot = capsys.readouterr().out.split('\n\n')
    assert '* estimates:' in foot and 'no SyncBN' in foot
    assert 'GPU hours*' in legend
    listed = {}
    for part in parts:
        head, *lines = part.splitlines()
        for line in lines:
            if line.startswith('  ') and line[2] != ' ':
                listed[(name := line.split()[0])] = head, line.split()
            else:  # the end of what the data are
                listed[name][1].extend(line.split())
    assert {*listed} == {*tasks()}
    for name, task in tasks().items():
        head, words = listed[name]
        mini = name.startswith('mini_')
        assert head == task.group + (', embedded data' if mini else '')
        assert {*task.data.title.split()} <= {*words}
        assert {*main_metric(task).split()} <= {*words}
        cost = task.gpu_hours
        assert ('-' if cost is None else f'{cost:.0f}') in words
    assert main(['tasks', 'voc0712_det_c4']) == 0
    out = capsys.readouterr().out
    assert 'recipes    barlowtwins, vicreg' in out
    assert 'GPU hours* about 29\n' in out
    assert '0.537 s per iteration on 8 V100' in out
    assert out.rstrip().endswith('no SyncBN')
    assert 'Detectron2 config of MoCo' in out  # whose protocol


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        name
        for name, task in tasks().items()
        if re.match(r'[\d.]+ s per', task.cost_source)
    ],
)
def test_hours_are_the_sources_speed_times_our_iterations(registered, name):
    """``0.261 s per iteration on 8 V100``, ``0.314 s per image on 64 A100``:
    an iteration of the latter has one image on each GPU."""
    task = tasks()[name]
    speed, unit, gpus = re.match(
        r'([\d.]+) s per (iteration|image) on (\d+) [VA]100', task.cost_source
    ).groups()
    for recipe in ('', *task.recipe_gpu_hours):
        if recipe == 'vit_large':  # other seconds
            continue
        config = make_plan(
            name, recipe=recipe or None, processes=32 if unit == 'image' else 8
        ).config
        batch = config.auto_scale_lr.base_batch_size
        assert batch == (int(gpus) if unit == 'image' else batch)
        hours = float(speed) * config.train_cfg.max_iters * int(gpus) / 3600
        assert task.hours(recipe) == pytest.approx(hours, abs=0.06), recipe


def test_hours_of_the_vits():
    """MAE's FINETUNE.md and the README of Detectron2's ViTDet."""
    tune, linear = tasks()['in1k_finetune'], tasks()['in1k_linear']
    assert tune.hours() == pytest.approx((7 + 11 / 60) * 32, abs=0.1)
    assert tune.hours('mae') == tune.hours()
    assert tune.hours('vit_large') == pytest.approx(
        (8 + 52 / 60) * 32, abs=0.1
    )
    assert linear.hours('mae') == pytest.approx((2 + 20 / 60) * 32, abs=0.1)
    assert linear.hours() is None
    for name, iterations, seconds in (
        ('coco_vitdet_b', 184375, 0.603),
        ('lvis_vitdet_b', 156250, 0.576),
    ):
        assert tasks()[name].hours('vit_large') == pytest.approx(
            seconds * iterations * 64 / 3600, abs=0.05
        )


@pytest.mark.parametrize('name', tasks())
def test_costs_are_of_recipes_that_the_task_has(name):
    task = tasks()[name]
    assert set(task.recipe_gpu_hours) <= set(recipes_of(name))
    known = [task.gpu_hours is not None, bool(task.recipe_gpu_hours)]
    assert any(known) == bool(task.cost_source)


def test_one_rule_for_a_number():
    """Configs repeat the rules of COCO's numbers: copies cannot disagree."""
    rules: dict[tuple[str, str, str], set] = {}
    for task in tasks().values():
        for name, metric in task.metrics.items():
            key = task.toolbox, name, metric.toolkit
            rules.setdefault(key, set()).add(metric)
    assert len(rules) > 20
    assert {key: found for key, found in rules.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    'text, message',
    [
        ('TASK = {1: 2}\n', 'has no literal `TASK'),
        ('TASK = dict(\n', r'SyntaxError: .* \(line 1\)'),
        (
            LITERAL.replace('tolerance=0.5', 'tolerance=-1'),
            'top1 needs lowest',
        ),
        (
            LITERAL.replace(
                'tolerance=0.5', 'tolerance=1, lowest=9, highest=3'
            ),
            'top1 needs lowest < highest',
        ),
    ],
)
def test_a_wrong_file_is_one_line(folder, text, message):
    folder(text)
    with pytest.raises(UserError, match=message):
        find_task('flowers')
    assert 'mini_knn' in tasks()


def test_files_that_are_no_configs(folder):
    """What a Mac leaves, a folder, a text in another encoding."""
    path = folder()
    (path.parent / '._flowers.py').write_bytes(b'\x00\xff')
    (path.parent / 'folder.py').mkdir()
    (path.parent / 'latin.py').write_bytes('x = "\xe9"'.encode('latin-1'))
    assert 'flowers' in tasks() and list(tasks().broken) == ['latin']


@pytest.mark.parametrize('name', tasks())
def test_numbers_of_a_task_are_reported(registered, name):
    """What a run is refused for, before it starts, is true of no task."""
    plan = make_plan(name)
    if find_task(name).toolbox != 'probe':
        assert reported(plan.config.test_evaluator)
    check_metrics(plan)


def test_a_name_that_no_probe_reports(folder, source, tmp_path, mini_root):
    text = LITERAL.replace("'top1'", "'acc'")
    folder(text)
    with pytest.raises(UserError, match="acc is 'acc' of knn, which reports"):
        run_task(source, 'flowers', 0, tmp_path / 'runs', str(mini_root))
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
    'name, recipes',
    [
        (  # of the 1x config and of its base
            'coco_mrcnn_fpn_2x',
            'adamw, adamw_vit, insloc, pixpro, two_fc',
        ),
        ('coco_mrcnn_c4_2x', 'the protocol only'),  # its base's are removed
        ('in1k_semi10', 'barlowtwins, openmmlab'),
    ],
)
def test_recipes_of_bases_are_listed(name, recipes, capsys):
    assert main(['tasks', name]) == 0
    assert f'  recipes    {recipes}\n' in capsys.readouterr().out


@pytest.mark.parametrize('name', tasks())
def test_listed_recipes_are_those_that_a_run_takes(registered, name):
    found = load_config(task_config(name)).get('recipes') or {}
    assert recipes_of(name) == tuple(found)


def test_an_evaluator_without_the_numbers(source, tmp_path, mini_root):
    """Refused before training, which takes days at full size."""
    options = {'test_evaluator.metric': 'bbox'}
    with pytest.raises(UserError, match="segm_AP is 'coco/segm_mAP' of Exact"):
        run_task(
            source, 'mini_coco_mrcnn_fpn', 0, tmp_path, str(mini_root), options
        )
    assert list(tmp_path.iterdir()) == []


def test_a_suite_finds_a_recipe_that_does_not_fit(folder, tmp_path):
    """Before the pretrainings that would come first."""
    from ssl_bench.launch.plan import plan_suite
    from ssl_bench.launch.suite import Method, Suite

    folder(LITERAL + "recipes = dict(few={'probe.headlin.k': 5})\n")
    suite = Suite(
        methods=(Method(config='mini/mocov2_r18.py'),),
        tasks=('flowers',),
        recipes={'flowers': ('few',)},
        work_dir=str(tmp_path),
    )
    with pytest.raises(UserError, match='flowers cannot take .*headlin'):
        plan_suite(suite)
