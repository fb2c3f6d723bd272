"""The HTML page as a file, and the media it embeds."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from ssl_bench.results import write_record
from ssl_bench.results.board import build
from ssl_bench.results.charts import specifications
from ssl_bench.results.curves import find_curves, thin
from ssl_bench.results.page_data import page_data
from ssl_bench.results.pictures import find_pictures
from ssl_bench.results.record import Stored
from ssl_bench.results.report import PAGE, SCRIPTS, safe_json, to_html
from ssl_bench.results.scalars import read_losses
from ssl_bench.results.store import scan
from ssl_bench.results.text_formats import to_csv
from tests.results.factory import METHODS, make_record, sha, suite

EVIL = '</script><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Records with a loss curve and pictures next to them."""
    top = tmp_path_factory.mktemp('runs')
    for record in suite(METHODS, ['mini_knn', 'mini_seg_fcn']):
        write_record(top / record['run_id'], record)
    write_record(
        top / 'evil', make_record(EVIL, notes=EVIL, metrics={'top1': 3.0})
    )
    run = top / record['run_id']
    log = run / '20250101_000000' / 'vis_data'
    log.mkdir(parents=True)
    (log / 'scalars.json').write_text(
        ''.join(
            json.dumps(dict(loss=5 - step / 100, step=step)) + '\n'
            for step in range(1, 400)
        )
    )
    Image.new('RGB', (300, 200), 'red').save(run / 'predictions.png')
    Image.new('RGB', (4000, 100)).save(run / 'contact_sheet.jpg')
    Image.new('RGB', (30, 20)).save(run / 'unrelated.png')
    return top


@pytest.fixture(scope='module')
def page(runs):
    board = build(*scan([runs]))
    return to_html(board, [runs]), board


def data_of(text):
    found = re.search(
        r'<script type="application/json" id="data">(.*?)'
        r'</script>',
        text,
        re.DOTALL,
    )
    return json.loads(found.group(1))


def test_needs_nothing_else(page):
    text, _ = page
    markup = re.sub(r'<script.*?</script>', '', text, flags=re.DOTALL)
    assert not re.search(r'<(link|img|iframe)[^>]+(https?:)?//', markup)
    assert 'src=' not in markup.replace('src=x', '')
    assert not re.search(r'url\((?!data:)', markup)
    assert '<script src' not in text
    assert '{{' not in markup and '{%' not in markup


def test_names_and_notes_cannot_become_markup(page):
    text, _ = page
    assert EVIL not in text and '<script>alert' not in text
    assert '<img src=x' not in text
    data = data_of(text)
    assert EVIL in {row['name'] for row in data['rows']}
    assert EVIL in {run.get('notes') for run in data['runs']}


def test_safe_json():
    value = {'a': '</script><!-- & \u2028 ü', 'b': [1, None]}
    text = safe_json(value)
    assert not set(text) & set('<>&\u2028') and 'ü' in text
    assert json.loads(text) == value
    with pytest.raises(ValueError):
        safe_json(float('nan'))


def test_page_holds_rows_runs_and_provenance(page):
    text, board = page
    data = data_of(text)
    assert len(data['rows']) == len(board.rows)
    assert len(data['runs']) == 31
    row = next(
        r
        for r in data['rows']
        if r['name'] == 'PixPro' and r['task'] == 'mini_knn'
    )
    own = [data['runs'][i] for i in row['runs']]
    assert [run['seed'] for run in own] == [0, 1, 2]
    assert row['mean'] == pytest.approx(
        sum(run['metrics']['top1'] for run in own) / 3
    )
    assert row['cost']['transfer_hours']['value'] == pytest.approx(
        sum(run['cost']['gpu_hours'] for run in own) / 3
    )
    assert own[0]['path'].endswith('result.json')
    assert data['csv']['head'].startswith('method,variant,')
    lines = data['csv']['lines']
    assert len(lines) == len(data['rows'])
    in_file = [
        lines[i]
        for i in sorted(
            range(len(lines)), key=data['csv']['places'].__getitem__
        )
    ]
    assert data['csv']['head'] + ''.join(in_file) == to_csv(board)
    assert [w['kind'] for w in data['warnings']] == [
        p.kind for p in board.problems
    ]


def test_plain_tables_for_readers_without_script(page):
    text, _ = page
    plain = re.search(r'<noscript>(.*?)</noscript>', text, re.DOTALL)[1]
    assert plain.count('<table>') == 3 and '&lt;/script&gt;' in plain


def test_names_in_tables_and_legend_are_escaped():
    """Texts that are not JSON: the tables without script, and the legend."""
    record = make_record(EVIL, task=EVIL, metrics={'<b>top1</b>': 3.0})
    board = build([Stored(record, 'r.json')], baseline=EVIL)
    text = to_html(board)
    assert EVIL not in text and '<b>top1' not in text
    plain = re.search(r'<noscript>(.*?)</noscript>', text, re.DOTALL)[1]
    assert plain.count('&lt;/script&gt;&lt;script&gt;alert(1)') == 3
    assert '<th>&lt;b&gt;top1&lt;/b&gt;</th>' in plain
    assert 'Δ: against &lt;/script&gt;' in legend_of(text)


def legend_of(text):
    found = re.search(r'<p class="legend".*?</p>', text, re.DOTALL)[0]
    return ' '.join(re.sub(r'<(?!/?b\b)[^>]*>', ' ', found).split()).replace(
        '&#39;', "'"
    )


def test_departures_are_explained(page):
    assert '†' not in legend_of(page[0])
    record = make_record(
        task='voc0712_det_c4',
        departures=['train_cfg.max_iters=100', 'batch 4'],
        config_sha256=sha('other'),
    )
    text = to_html(build([Stored(record, 'r.json')], published='own'))
    assert legend_of(text) == (
        "† other settings or data than the protocol's: "
        'not compared with published numbers'
    )
    for row in data_of(text)['rows']:
        assert (row['name'], row['label']) == ('MoCo v2', 'MoCo v2 †')
        assert row['departures'] == ['batch 4', 'train_cfg.max_iters=100']
        assert row['text']['departed'] == '†' and row['verdict'] is None


def test_a_task_that_is_not_installed_is_shown_as_such():
    record = make_record(task='their_task', metrics={'top1': 3.0})
    data = page_data(build([Stored(record, 'r.json')]))
    [task], [row] = data['tasks'], data['rows']
    assert task['title'] == 'their_task, not installed'
    assert (task['group'], task['main']) == ('other', 'top1')
    assert (row['place'], row['best']) == (None, False)
    assert 'task not installed' in {w['kind'] for w in data['warnings']}


def test_charts_are_valid_and_without_addresses():
    for name, spec in specifications().items():
        assert spec['$schema'].startswith('https://vega.github.io/'), name
        sources = [
            spec.get('data'),
            *(layer.get('data') for layer in spec['layer']),
        ]
        assert {'name': 'rows'} in sources, name


def test_media_are_found_and_owned(page):
    data = data_of(page[0])
    [curve] = data['curves']
    assert (curve['name'], curve['group']) == ('PixPro', 'mini_seg_fcn')
    assert len(curve['steps']) == len(curve['values']['loss']) == 240
    sheet, predictions = data['pictures']
    assert (sheet['kind'], predictions['kind']) == ('views', 'predictions')
    assert predictions['caption'] == (
        'PixPro · mini_seg_fcn · seed 2 · predictions'
    )
    assert predictions['method'] in {
        row['id'] for row in data['rows'] if row['name'] == 'PixPro'
    }
    assert predictions['size'] == [300, 200]
    assert sheet['size'] == [1600, 40]
    for picture in data['pictures']:
        head, body = picture['source'].split(',')
        assert re.fullmatch(r'data:image/webp;base64', head)
        with Image.open(io.BytesIO(base64.b64decode(body))) as image:
            assert list(image.size) == picture['size']


def test_curve_of_a_pretraining_is_named_by_its_config(tmp_path):
    record = make_record('InsLoc', 'FPN')
    record['pretrain']['config'] = 'configs/mini/insloc_r18_fpn.py'
    write_record(tmp_path / 'run', record)
    for stamp, steps in (('1', (10, 20)), ('2', (20, 30))):  # resumed
        log = tmp_path / 'insloc_r18_fpn' / stamp / 'vis_data'
        log.mkdir(parents=True)
        (log / 'scalars.json').write_text(
            '\n'.join(f'{{"loss": {step}, "step": {step}}}' for step in steps)
            + '\n{"acc": 1, "step": 1}\n'
        )
    rows = build(scan([tmp_path])[0], published='none').measured
    [curve], problems = find_curves([tmp_path], rows)
    assert problems == []
    assert (curve.group, curve.name) == ('pretraining', 'InsLoc (FPN)')
    assert curve.steps == [10, 20, 30]
    assert curve.values == dict(loss=[10.0, 20.0, 30.0])


def test_bad_media_are_named(tmp_path):
    (tmp_path / 'vis_data').mkdir()
    log = tmp_path / 'vis_data' / 'scalars.json'
    log.write_text('{"loss": 1, "step": 1}\n{"lo')
    (tmp_path / 'detections.png').write_bytes(b'no image')
    curves, problems = find_curves([tmp_path], [])
    assert curves == [] and problems[0].paths == (str(log),)
    assert 'line 2 is not JSON' in problems[0].message
    found = find_pictures([tmp_path], [])
    assert found.pictures == [] and found.problems[0].kind == 'picture'


def test_losses_that_are_no_numbers_are_passed_over(tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text(
        '{"loss": NaN, "step": 1}\n\n[1]\n3\n{"loss": "x"}\n{"loss": 1}\n'
        '{"loss": 2.5, "step": 2, "lr": 0.1}\n'
    )
    assert read_losses(path) == [dict(step=2, loss=2.5, lr=0.1)]


def test_thinning_keeps_the_mean_and_the_end():
    rows = [dict(step=i, loss=float(i % 7)) for i in range(1000)]
    rows[3]['lr'] = 0.5
    steps, values = thin(rows, ['loss', 'lr'], 10)
    assert len(steps) == 10 and steps[-1] == 999
    assert sum(values['loss']) / 10 == pytest.approx(
        sum(row['loss'] for row in rows) / 1000, rel=1e-4
    )
    assert values['lr'] == [0.5] + [None] * 9
    assert thin(rows[:2], ['loss']) == ([0, 1], dict(loss=[0.0, 1.0]))


def test_page_of_printed_numbers_only_has_no_charts(tmp_path):
    board = build([], wanted=['voc0712_det_c4'])
    data = page_data(board)
    assert data['ranks'] == [] and data['runs'] == []
    assert data['tasks'][0]['main'] is None


def test_no_name_is_declared_twice_in_the_scripts():
    """They are one script: the last of two functions would be both."""
    names = [
        name
        for script in SCRIPTS
        for name in re.findall(
            r'^(?:async )?(?:function|const|let|class) (\w+)',
            (PAGE / script).read_text(encoding='utf-8'),
            re.MULTILINE,
        )
    ]
    assert [name for name in sorted(set(names)) if names.count(name) > 1] == []
    assert len(names) > 100
