"""The report of a judgement: one truth on the terminal and in the files."""

import io
import json
import math
import re
from dataclasses import replace

import pytest
from rich.console import Console

from ssl_bench.judge.answers import BETTER, TOO_FEW
from ssl_bench.judge.data_check import DataCheck
from ssl_bench.judge.duplicates import Duplicate, Duplicates
from ssl_bench.judge.report import (
    FILES,
    make_report,
    show_report,
    to_html,
    to_json,
    to_markdown,
    write_report,
)
from ssl_bench.judge.scores import FINE_TUNED, FROZEN, Score, Study
from ssl_bench.results import rounding

VALUES = {
    ('moco.pth', ''): (71.25, 72.5, 70.0, 71.3),
    ('<b>x|*.pth', ''): (61.25, 66.5, 60.0, 59.3),
    ('random', 'random'): (60.0, 61.0, 60.5, 59.25),
    ('supervised', 'supervised'): (70.0, 73.5, 69.0, 71.0),
}
SCORES = tuple(
    Score(label, kind, mode, fraction, seed, value + 10 * fraction, rate)
    for (label, kind), values in VALUES.items()
    for mode, fraction, rate in ((FROZEN, 0.1, 0.3), (FINE_TUNED, 1.0, 0.01))
    for seed, value in enumerate(values)
)
STUDY = Study(
    'custom:shapes',
    'judge_linear',
    'top1',
    'points of top1',
    True,
    SCORES,
    ('moco.pth: a loss is not finite',),
    372.0,
    dict(crop=64, notes=['1% is left out: too few images.']),
)
NONE = Duplicates('/data/train', 40, 16, (), 0, 1.0)
SEEN = replace(
    NONE, place='/seen', found=(Duplicate('a.jpg', 'b/c.png', 'alike'),) * 4
)
CHECK = DataCheck(NONE, {'moco.pth': SEEN}, {'<b>x|*.pth': 'it says nothing'})


@pytest.fixture(scope='module')
def report():
    """Two checkpoints, two controls, images that were seen."""
    return make_report(STUDY, CHECK)


def printed(report, width=80):
    """What a terminal shows."""
    file = io.StringIO()
    show_report(report, Console(file=file, width=width))
    return file.getvalue()


def words(text):
    """Without line breaks."""
    return ' '.join(text.split())


def test_the_terminal_has_everything_in_80_columns(report):
    text = printed(report)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    for part in [*report.sentences, *report.data, *report.run]:
        assert words(part) in words(text)
    first = text.index('is better than random weights')
    assert first < text.index('mode ') < text.index('Next steps')
    # the numbers are in one table each, not cut in two
    assert len(re.findall('mode .* difference .* rates', text)) == 4


def test_a_sentence_says_that_test_images_were_seen(report):
    seen = 'But 4 of 16 test images (25.0%) are among those of its'
    assert [seen in sentence for sentence in report.sentences] == [
        True,
        True,
        False,
        False,
    ]
    assert report.data == [
        'moco.pth, pretraining: 4 of 16 test images (25.0%) are among the 40 '
        'of /seen (4 alike): a.jpg (b/c.png), a.jpg (b/c.png), a.jpg '
        '(b/c.png) and 1 more.',
        '<b>x|*.pth, pretraining: not checked, it says nothing.',
        'Training: none of 16 test images is among the 40 of /data/train.',
    ]


def test_files_have_the_numbers_of_the_terminal(report):
    found = json.loads(to_json(report))
    page, mark = to_html(report), to_markdown(report).replace('\\', '')
    text = words(printed(report))
    for row in found['verdicts'] + found['lines']:
        shown = rounding.signed(row['difference'], 1) + ' '
        bounds = rounding.signed_bounds((row['low'], row['high']), 1)
        for whole in (text, page, mark):
            assert bounds in whole and shown in whole
    for row in found['lines']:
        mean = rounding.fixed(row['own'], 1)
        assert f'| {mean} |' in mark and f'<td>{mean}</td>' in page


def test_the_json_file_is_the_whole_of_it(report):
    found = json.loads(to_json(report))
    first = found['verdicts'][0]
    assert (first['weights'], first['kind']) == ('moco.pth', 'random')
    assert first['answer'] == BETTER and first['seeds'] == [0, 1, 2, 3]
    assert first['difference'] == pytest.approx(11.075)
    assert first['sentence'] == report.sentences[0]
    assert found['lines'][0]['own_rates'] == [0.3]
    assert found['lines'][1]['mode'] == FINE_TUNED
    assert found['lines'][1]['own'] == pytest.approx(285.05 / 4 + 10)
    assert len(found['scores']) == len(SCORES)
    assert found['scores'][0] == dict(
        weights='moco.pth',
        control='',
        mode=FROZEN,
        fraction=0.1,
        seed=0,
        value=72.25,
        rate=0.3,
    )
    assert found['duplicates']['pretrain']['moco.pth']['count'] == 4
    assert found['settings']['crop'] == 64 and found['seconds'] == 372.0


def test_names_of_others_stay_text(report):
    assert '<b>x' not in to_html(report)
    assert '&lt;b&gt;x|*.pth' in to_html(report)
    assert '\\|\\*.pth' in to_markdown(report)
    assert len(re.findall('<script', to_html(report))) == 0


def test_next_steps_are_those_that_are_open(report):
    assert report.next_steps == [
        'Run the same command again: failed runs are repeated.',
        'Name the images of the pretraining: --pretrain-data DIR.',
    ]
    few = [score for score in SCORES if score.seed == 0]
    few = [score for score in few if score.control != 'supervised']
    short = make_report(replace(STUDY, scores=tuple(few), failed=()))
    assert {one.answer for one in short.verdicts} == {TOO_FEW}
    assert short.next_steps == [
        'Add 2 seeds (--seeds): finished runs are not repeated.',
        'Compare with supervised weights, too: --supervised FILE.',
    ]
    assert short.data == ['Duplicates were not looked for.']
    assert 'at least 2 more seeds needed' in printed(short)


def test_a_run_without_a_number_is_null_and_not_in_the_table():
    lost = replace(SCORES[0], value=math.nan)
    found = make_report(replace(STUDY, scores=(lost, *SCORES[1:])), CHECK)
    rows = json.loads(to_json(found))
    assert rows['scores'][0]['value'] is None
    assert rows['lines'][0]['seeds'] == [1, 2, 3]
    assert 'left out: seed 0' in words(printed(found))
    nothing = [replace(score, value=math.nan) for score in SCORES[:8]]
    empty = make_report(replace(STUDY, scores=(*nothing, *SCORES[8:])))
    assert 'no seed has runs of both' in empty.sentences[0]
    assert json.loads(to_json(empty))['verdicts'][0]['low'] is None
    for text in (printed(empty), to_html(empty), to_markdown(empty)):
        assert not re.search(r'\bnan\b', text)


def test_of_many_failed_runs_the_first_are_named(report):
    lines = tuple(f'run {number}: it failed' for number in range(9))
    found = make_report(replace(STUDY, failed=lines))
    assert found.run[-2:] == [
        'failed: run 4: it failed',
        '4 others failed: judge.json names them.',
    ]
    assert json.loads(to_json(found))['failed'] == list(lines)


def test_three_files_are_written(report, tmp_path):
    paths = write_report(report, tmp_path / 'new')
    assert [path.name for path in paths] == list(FILES)
    assert paths[0].read_text() == to_json(report)
    assert (
        paths[1]
        .read_text()
        .startswith(
            '# Did pretraining help on custom:shapes?\n\nmoco.pth is better'
        )
    )
    assert paths[2].read_text().startswith('<!doctype html>')
