"""What the GPU's benchmarks do on a CPU, at the smallest sizes."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import gpu, step, storage
from ssl_bench.config import config_dir

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize('name', step.METHODS)
def test_configs_of_the_methods_exist(name):
    for config in filter(None, step.METHODS[name]):
        assert (config_dir() / f'{config}.py').is_file()


def test_every_small_recipe_is_measured():
    small = {path.stem for path in (config_dir() / 'mini').glob('*.py')}
    assert small == {
        mini.removeprefix('mini/') for _, mini in step.METHODS.values() if mini
    }


def setting(name, folder):
    """A small recipe as step.py prepares it, at a batch of 4."""
    from ssl_bench.config import load_config

    config = load_config(step.METHODS[name][1])
    images = step.write_images(folder / 'images', 4)
    items = step.drawn_items(config, images, 4)
    return step.prepare(name, config, items, 4, 'cpu')


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
    for module in step.encoders(found.model):
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
        'not on this device',
        '',
        step.UNSAFE_CPU,
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
    monkeypatch.setattr(
        torch.nn.Module, 'compile', lambda module: compiled.append(module)
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
    heads = [m for m in compiled if m not in step.encoders(found.model)]
    assert len(heads) == 3  # two projectors, the propagation's transform
    assert compiled[-2:] == step.encoders(found.model)
    assert [row.images_per_s for row in rows] == [8]
    assert rows[0].note == 'backbone alone: RuntimeError: no compiler'


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
            waiting=0.124,
        )
    ]
    results = dict(
        tests=dict(passed=3, failed=1, skipped=0),
        tasks=dict(mini_knn=False),
        step=dict(rows=rows),
        data=dict(rows=waits),
    )
    text = gpu.as_markdown(
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
    assert '| mini_knn | no |' in text
    assert '| pixpro | fused | 256 | 900 | 1000 | 0.90 |  | a note |' in text
    assert '| pixpro | 256 | 12 | 800 | 700 | 12% |' in text


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
