"""What the GPU's benchmarks do on a CPU, at the smallest sizes."""

import argparse
import functools
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import import_module
from operator import getitem
from pathlib import Path
from types import SimpleNamespace

import gpu
import gpu_tables
import growth
import loaders
import one_step
import pipeline
import plain_views
import pytest
import scaling
import step
import storage
import torch
from plain_views import PlainImages
from view_rows import ROWS, config_of, our_dataset

from ssl_bench import config_edits
from ssl_bench.catalog import methods
from ssl_bench.cfg_options import read_options
from ssl_bench.config import config_dir, load_config
from ssl_bench.engine import speed

ROOT = Path(__file__).parents[1]


def documented():
    """Commands of the pages: file of this folder, and its words."""
    pages = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
    for page in [*pages, *sorted((ROOT / 'docs').glob('*.md'))]:
        text = page.read_text().replace('\\\n', ' ')
        for name, words in re.findall(
            r'python benchmarks/(\w+)\.py([^`#\n]*)', text
        ):
            yield name, ' '.join(words.split())


class Parsed(Exception):
    """The command line was read."""


@pytest.mark.parametrize('name, words', sorted(set(documented())))
def test_commands_of_the_pages_are_understood(monkeypatch, name, words):
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, given=None):
        parse(parser, given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', stop)
    monkeypatch.setattr(sys, 'argv', [f'{name}.py', *words.split()])
    with pytest.raises(Parsed):
        import_module(name).main()


@pytest.mark.parametrize('name', one_step.METHODS)
def test_configs_of_the_methods_exist(name):
    for config in filter(None, one_step.METHODS[name]):
        assert (config_dir() / f'{config}.py').is_file()


def test_every_model_can_be_measured():
    measured = {name for pair in one_step.METHODS.values() for name in pair}
    models = {
        path.stem: each.model
        for each in methods().values()
        for path in each.files
    }
    assert {models[name] for name in measured & {*models}} == {
        *models.values()
    }


def test_every_small_recipe_is_measured():
    small = {path.stem for path in (config_dir() / 'mini').glob('*.py')}
    assert small == {
        mini.removeprefix('mini/')
        for _, mini in one_step.METHODS.values()
        if mini
    }


def setting(name, folder):
    """A small recipe as step.py prepares it, at a batch of 4."""
    config = load_config(one_step.METHODS[name][1])
    images = one_step.write_images(folder / 'images', 4)
    items = one_step.drawn_items(config, images, 4)
    return one_step.prepare(name, config, items, 4, 'cpu')


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, grads',
    [
        ('mocov2', [True, False]),
        ('pixpro', [True, True, False, False]),
        ('siamese_im', [True, False]),
    ],
)
def test_the_limit_has_the_methods_passes(registered, tmp_path, name, grads):
    """With and without gradient; the target's are those of its copy."""
    found = setting(name, tmp_path)
    assert [grad for _, _, grad in found.passes] == grads
    for module, inputs, grad in found.passes:
        assert (module is found.model.backbone) == grad
        assert len(inputs[0]) == 4
    called = []
    for module in one_step.encoders(found.model):
        module.register_forward_hook(lambda m, x, y: called.append(m))
    weight = next(p for p in found.model.parameters() if p.requires_grad)
    before = weight.detach().clone()
    found.limit()
    assert called == [module for module, _, _ in found.passes]
    assert torch.equal(weight, before) and weight.grad is None


@pytest.mark.slow
def test_step_prints_rows_and_writes_them(registered, tmp_path, capsys):
    out = tmp_path / 'step.json'
    words = '--device cpu --methods mocov2 --batch 4 --runs 1 --warm 0'
    forms = ['--forms', 'float32', 'tf32', 'bfloat16', 'channels_last']
    assert step.main([*words.split(), *forms, '--out', str(out)]) == 0
    rows = json.loads(out.read_text())['rows']
    assert [row['form'] for row in rows] == forms[1:]
    assert [row['note'] for row in rows] == [
        '',
        'the device has no TF32',
        '',
        'it is not safe on a CPU',
    ]
    for row in rows[::2]:
        assert row['share'] == row['images_per_s'] / row['limit_per_s']
    assert capsys.readouterr().out.count('mocov2') == 4


def test_a_compilation_is_not_started_without_time(monkeypatch):
    found = SimpleNamespace(batch=4)
    monkeypatch.setattr(step, 'largest_setting', lambda *a: found)
    monkeypatch.setattr(step, 'apply_form', lambda *a: '')
    report = SimpleNamespace(rows=[], add=lambda row: report.rows.append(row))
    args = step.parse_args(['--seconds', '10'])
    step.run_method('mocov2', ['compile'], None, [], 4, args, report)
    assert [row.note for row in report.rows] == ['no time left']


@pytest.mark.slow
def test_heads_that_do_not_compile_leave_the_backbone(
    registered, tmp_path, monkeypatch
):
    found = setting('pixpro', tmp_path)
    compiled, timed = [], []
    monkeypatch.setattr(speed, 'require_compiler', lambda device: None)
    monkeypatch.setattr(
        torch,
        'compile',
        lambda forward, dynamic: compiled.append(forward.__self__) or forward,
    )

    def seconds(call, device, warm, runs):
        timed.append(call)
        if len(timed) == 1:
            raise RuntimeError('no\ncompiler')
        return 0.5

    monkeypatch.setattr(step, 'seconds_of', seconds)
    monkeypatch.setattr(step, 'largest_setting', lambda *a: found)
    rows = []
    report = SimpleNamespace(add=rows.append)
    args = step.parse_args(['--device', 'cpu'])
    step.run_method('pixpro', ['compile'], None, [], 4, args, report)
    heads = [m for m in compiled if m not in one_step.encoders(found.model)]
    # two projectors, the propagation, its transform
    assert len(heads) == 4
    assert compiled[-2:] == one_step.encoders(found.model)
    assert [row.images_per_s for row in rows] == [8]
    assert rows[0].note == (
        'backbone alone, 0 graphs, 0 breaks: RuntimeError: no compiler'
    )


def test_the_time_limit_ends_what_runs():
    with pytest.raises(step.OutOfTime):
        with step.time_limit(0.05):
            while True:
                pass


def test_a_method_without_a_small_recipe_is_refused(capsys):
    with pytest.raises(SystemExit):
        step.parse_args(['--methods', 'mae'])
    assert 'mae has no small recipe; add --paper' in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_gpu_says_that_there_is_none(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / 'benchmarks/gpu.py', '--out', tmp_path / 'no'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == 'gpu.py: there is no GPU here; nothing was run.\n'
    assert not (tmp_path / 'no').exists()


def test_the_parts_fit_eight_minutes():
    together = max(gpu.SECONDS[name] for name in gpu.TOGETHER)
    alone = sum(gpu.SECONDS.values()) - sum(
        gpu.SECONDS[name] for name in gpu.TOGETHER
    )
    assert together + alone <= 8 * 60


def test_time_limits_of_the_parts():
    args = gpu.parse_args(['--seconds-of', 'step=30', 'data=5'])
    assert args.seconds == gpu.SECONDS | dict(step=30, data=5)
    with pytest.raises(SystemExit):
        gpu.parse_args(['--seconds-of', 'stop=30'])


JUNIT = """
<testsuites><testsuite>
<testcase classname="a.b" name="one"/>
<testcase classname="a.b" name="two"><failure>first\nlast</failure></testcase>
<testcase classname="a.b" name="three"><error>broken</error></testcase>
<testcase classname="a.b" name="four"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_counts_of_a_test_report():
    found = gpu.counted(ET.fromstring(JUNIT))
    assert found == dict(
        passed=1,
        failed=2,
        skipped=1,
        failures={'a.b::two': ['first', 'last'], 'a.b::three': ['broken']},
    )


@pytest.fixture
def part(tmp_path):
    """A part with a log of its own and two seconds."""
    words = ['--out', str(tmp_path), '--seconds-of', 'tests=2']
    return gpu.Part('tests', gpu.parse_args(words))


def test_a_failed_command_leaves_its_last_lines(part):
    assert part.run(['-c', 'print(1)'])
    assert part.failed == []
    code = 'for i in range(30): print(i)\nraise SystemExit(3)'
    assert not part.run(['-c', code], 'thirty')
    assert part.failed == [
        dict(what='thirty', code=3, lines=[str(i) for i in range(15, 30)])
    ]


def test_a_command_out_of_time_is_ended(part):
    assert not part.run(['-c', 'import time; time.sleep(60)'])
    assert part.failed[0]['code'] == 'out of time'


def test_tables_of_a_report():
    rows = [
        dict(
            method='pixpro',
            form='fused',
            batch=256,
            images_per_s=900.4,
            limit_per_s=1000.0,
            share=0.9004,
            peak_mib=None,
            note='a note',
        )
    ]
    waits = [
        dict(
            method='pixpro',
            batch=256,
            workers=12,
            loader_per_s=800.0,
            loop_per_s=700.0,
            step_per_s=790.0,
            waiting=0.124,
        )
    ]
    views = [
        dict(row='mocov2', plain_ms=9.0, ours_ms=1.5, ratio=6.0),
        dict(row='pixpro', plain_ms=8.0, ours_ms=2.0, ratio=4.0),
    ]
    paint = [dict(row='mocov2', paint_ms=0.0416, prepare_ms=0.01)]
    for row in views + paint:
        row.update(
            {
                key: dict(median=value)
                for key, value in row.items()
                if key != 'row'
            }
        )
    results = dict(
        pipeline=dict(rows=views, painting=paint),
        tests=dict(passed=3, failed=1, skipped=0),
        tasks=dict(mini_knn=False),
        step=dict(rows=rows),
        data=dict(rows=waits),
    )
    text = gpu_tables.as_markdown(
        dict(
            machine=dict(card='X'),
            parts={
                name: dict(failed=[], seconds=7.2, result=result)
                for name, result in results.items()
            },
        )
    )
    assert '* step: done in 7 s' in text
    assert '| 3 | 1 | 0 |' in text
    assert '| mocov2 | 9.00 | 1.50 | 6.00 | 0.042 | 0.010 |' in text
    assert '| pixpro | 8.00 | 2.00 | 4.00 |  |  |' in text
    assert '| mini_knn | no |' in text
    assert '| pixpro | fused | 256 | 900 | 1000 | 0.90 |  | a note |' in text
    assert '| pixpro | 256 | 12 | 800 | 700 | 790 | 12.4% | missed |' in text


def speeds(method, **forms):
    """Rows of step.py; the limit is 1000 images per second."""
    return [
        dict(
            method=method,
            form=form,
            images_per_s=speed,
            share=speed and speed / 1000,
        )
        for form, speed in forms.items()
    ]


def test_goals_are_those_of_the_fastest_compiled_form():
    rows = speeds('pixpro', tf32=500.0, bfloat16=600.0, compile=840.0)
    rows += speeds('mocov2', tf32=600.0, compile=860.0, fused=900.0)
    rows += speeds('mae', bfloat16=600.0, compile=870.0)
    rows += speeds('byol', tf32=500.0, compile=None)
    assert gpu_tables.goals(rows) == [
        ['pixpro', '0.84', '1.68', 'missed', 'met'],
        ['mocov2', '0.90', '1.50', 'met', 'met'],
        ['mae', '0.87', '', 'met', 'not measured'],
        ['byol', '', '', 'not measured', 'not measured'],
    ]


def test_files_with_tests_for_a_gpu_are_found():
    found = gpu.gpu_tests()
    assert {
        'tests/compat/test_gpu.py',  # the whole file is marked
        'tests/engine/test_pretrain.py',  # one test is
        'tests/methods/test_insloc_golden.py',  # by a fixture
    } <= set(found)
    assert 'tests/results/test_rounding.py' not in found


@pytest.mark.parametrize('task', gpu.TASKS)
def test_options_of_the_tasks_are_keys_of_their_configs(task):
    config = load_config(f'transfer/{task}')
    options = read_options(gpu.TASKS[task])
    config_edits.edit(config, options, strict=True)
    for key, value in options.items():
        if 'Hook.' not in key:
            assert functools.reduce(getitem, key.split('.'), config) == value


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_all_parts_of_the_gpu_run_go_through_on_a_cpu(tmp_path):
    """Minutes on a busy machine: the commands are those of the GPU run."""
    words = ['--device', 'cpu', '--tiny', '--out', str(tmp_path)]
    words += ['--seconds-of', *(f'{name}=600' for name in gpu.SECONDS)]
    done = subprocess.run(
        [sys.executable, ROOT / 'benchmarks/gpu.py', *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    parts = json.loads((tmp_path / 'gpu.json').read_text())['parts']
    assert list(parts) == list(gpu.SECONDS)
    results = {name: part['result'] for name, part in parts.items()}
    assert results['tests']['skipped'] and not results['tests']['failed']
    assert set(results['tasks'].values()) == {True}
    assert results['tasks'].keys() >= gpu.TASKS.keys()
    forms = [row['form'] for row in results['step']['rows']]
    assert forms == [form for form in step.FORMS if form != 'compile']
    assert list(results['step']['profiles']) == ['mocov2']
    for name in ('step', 'pipeline', 'data'):
        assert results[name]['rows']
    assert results['pipeline']['painting']
    assert done.stdout.endswith((tmp_path / 'gpu.md').read_text() + '\n')


@pytest.mark.parametrize(
    'method, values, verdict',
    [
        ('mocov2', [1, 2, 4], 'not above linear'),
        ('mocov2', [10, 11, 13], 'not above linear'),
        ('mocov2', [1, 2, 8], 'FASTER THAN LINEAR'),  # at the end
        ('mocov2', [1, 4, 8], 'FASTER THAN LINEAR'),  # at the beginning
        ('pixpro', [1, 4, 16], growth.PAIRS[1]),
        ('pixpro', [1, 8, 64], 'FASTER THAN LINEAR'),
    ],
)
def test_growth_is_compared_with_the_formula(method, values, verdict):
    found = growth.Growth('pixels', method, 'mib', [8, 16, 32], values)
    assert found.verdict == verdict


def test_the_table_of_growths():
    found = [
        growth.Growth(quantity, method, 'mib', [1, 2, 4], values)
        for quantity, method, values in (
            ('batch', 'pixpro', [1, 2, 4]),
            ('pixels', 'pixpro', [1, 4, 16]),
            ('pixels', 'mocov2', [1, 4, 16]),
        )
    ]
    assert growth.as_markdown(found).splitlines()[2:] == [
        '| pixpro |  | 1.00, 1.00 |  | 2.00, 2.00 * |',
        '| mocov2 |  |  |  | 2.00, 2.00 ! |',
    ]


def test_the_exponent_of_a_power_law():
    found = growth.Growth('batch', 'x', 'mib', [2, 4, 8], [3, 24, 192])
    assert found.slope == pytest.approx(3) == found.last


def test_the_most_that_a_call_allocates():
    def call():
        first = torch.zeros(1000, 250)  # 10^6 bytes
        second = torch.ones(500, 250)
        del first
        return second + 1

    assert scaling.peak_bytes(call, 'cpu') == 1_500_000


@pytest.mark.slow
@pytest.mark.parametrize('method', scaling.METHODS['batch'])
def test_memory_of_a_step_is_linear_in_the_batch(registered, tmp_path, method):
    images = one_step.write_images(tmp_path, 2)
    args = scaling.parse_args(['--tiny', '--device', 'cpu'])
    args.drawn = 2
    rows = scaling.measure('batch', method, (8, 16), images, args)
    memory = {each.value: each for each in growth.growths(rows)}['mib']
    assert 0 < memory.last <= 1 + growth.SLACK['mib']


@pytest.mark.slow
def test_scaling_prints_its_table_and_draws_it(registered, tmp_path, capsys):
    words = ['--tiny', '--device', 'cpu', '--methods', 'siamese_im']
    words += ['insloc_fpn', 'barlow_twins', '--quantities']
    words += ['queue', 'pixels', 'levels', 'width', 'files']
    out, drawn = tmp_path / 'rows.json', tmp_path / 'rows.svg'
    scaling.main([*words, '--out', str(out), '--picture', str(drawn)])
    rows = json.loads(out.read_text())['rows']
    assert {(row['quantity'], row['method']) for row in rows} == {
        ('queue', 'insloc_fpn'),
        ('pixels', 'siamese_im'),
        ('pixels', 'insloc_fpn'),
        ('pixels', 'barlow_twins'),
        ('levels', 'insloc_fpn'),
        ('width', 'barlow_twins'),
        ('files', 'images'),
    }
    printed = capsys.readouterr().out
    assert 'queue   insloc_fpn    64 to 128: ' in printed
    assert '| method | queue: time | queue: memory |' in printed
    assert drawn.read_text().startswith('<svg')
    assert drawn.stat().st_size < 200_000


@pytest.mark.slow
def test_storage_measures_a_start_and_every_kind(registered, capsys):
    pytest.importorskip('lmdb')
    pytest.importorskip('pyarrow')
    assert storage.main(['read', '--images', '12', '--runs', '1']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        'folder',
        *storage.OUTPUTS,
    ]
    words = ['start', '--images', '1000', '--processes', '1', '2']
    assert storage.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 4


def test_ratios_of_the_pipeline_are_of_the_same_round():
    row = pipeline.compared([8.0, 9.0, 20.0], [4.0, 3.0, 5.0])
    assert row['plain_ms'] == dict(min=8.0, median=9.0, max=20.0)
    assert row['ours_ms'] == dict(min=3.0, median=4.0, max=5.0)
    assert row['ratio'] == dict(min=2.0, median=3.0, max=4.0)


def test_a_stage_inside_another_is_not_counted_twice(monkeypatch):
    times = iter([0.0, 1.0, 4.0, 6.0])
    monkeypatch.setattr(pipeline.time, 'process_time', lambda: next(times))
    clock = pipeline.Clock()
    inner = clock.timed('inner', lambda: None)
    clock.timed('outer', inner)()
    assert clock.seconds == dict(inner=3.0, outer=3.0)


def test_every_stage_is_a_function_of_the_program(registered):
    for place in sum(pipeline.STAGES.values(), ()):
        owner, name = pipeline.found(place)
        assert callable(getattr(owner, name))


def test_scaling_of_loaders_by_their_cpu_time():
    found = dict(
        ours_1=dict(images_per_s=10.0, cpu_ms=4.0, main_ms=0.5),
        ours_2=dict(images_per_s=15.0, cpu_ms=4.2, main_ms=0.5),
    )
    assert loaders.scaling(2, **found) == dict(scaling=1.5, by_cpu=4 / 2.1)
    found['ours_2']['main_ms'] = 3.0  # is then what limits them
    assert loaders.scaling(2, **found)['by_cpu'] == 4 / 3


@pytest.mark.parametrize('name', sorted({way for _, way in ROWS.values()}))
def test_the_plain_ways_make_views_as_large_as_ours(
    registered, image_folder, name
):
    config = next(config for config, way in ROWS.values() if way == name)
    settings, _ = config_of(config, image_folder, 'worker')
    ours = our_dataset(settings)[0]['inputs']
    plain = PlainImages(image_folder, getattr(plain_views, name)())[0]
    for one, other in zip(plain['inputs'], ours, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype


def test_pipeline_prints_rows_and_writes_them(registered, tmp_path, capsys):
    out = tmp_path / 'pipeline.json'
    words = ['--tiny', '--rows', 'pixpro', '--profile', '--out', str(out)]
    words += ['--photometric', 'device', '--device', 'cpu']
    assert pipeline.main(words) == 0
    report = json.loads(out.read_text())
    (row,), (paint,) = report['rows'], report['painting']
    assert row['ratio']['min'] <= row['ratio']['median'] <= row['ratio']['max']
    assert {'decode', 'crop', 'collate'} <= report['profile']['pixpro'].keys()
    assert paint['paint_ms']['median'] > 0
    assert {'pillow_jpeg', 'opencv_jpeg', 'torch'} <= report['machine'].keys()
    assert capsys.readouterr().out.count('\npixpro ') == 3
