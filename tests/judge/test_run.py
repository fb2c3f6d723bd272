"""A judgement from end to end, on a few images."""

import json

import pytest

from ssl_bench.checkpoints import write_backbone
from ssl_bench.cli import main
from ssl_bench.cli.completion import NAMES
from ssl_bench.judge.plan import make_judge_plan
from ssl_bench.judge.run import Judge
from ssl_bench.judge.scores import FINE_TUNED, FROZEN
from ssl_bench.judge.speed import Speed
from ssl_bench.results.store import scan
from ssl_bench.tasks.own import read_own_data
from tests.backbones import thin_backbone

FEW = ('--seeds', '0', '1', '--fractions', '0.5', '--quick')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Backbone files of random weights."""
    folder = tmp_path_factory.mktemp('weights')
    for seed in range(2):
        path = folder / f'{seed}.backbone.safetensors'
        write_backbone(path, thin_backbone(seed))
    return folder


def data_words(mini_root):
    images = mini_root / 'imagenet'
    return [
        '--train-data',
        str(images / 'train'),
        '--val-data',
        str(images / 'val'),
        '--data-name',
        'shapes',
    ]


def own(mini_root):
    images = mini_root / 'imagenet'
    return read_own_data([images / 'train'], [images / 'val'], None, 'shapes')


def plan_of(mini_root, weights, work_dir, **more):
    options = dict(
        supervised=None,
        fractions=[0.01, 0.5, 1.0],
        seeds=(0, 1, 2),
        modes=[FROZEN, FINE_TUNED],
        work_dir=work_dir,
    )
    file = str(weights / '0.backbone.safetensors')
    return make_judge_plan(own(mini_root), [file], **{**options, **more})


def records(folder):
    return [json.loads(f.read_text()) for f in folder.glob('*/result.json')]


def shown(text):
    """What a judgement says, without the plan and the time it took."""
    return [x for x in text.splitlines()[4:] if ' scores of ' not in x]


@pytest.mark.slow
def test_from_end_to_end_and_again(mini_root, weights, tmp_path, capsys):
    words = [
        'judge',
        str(weights / '0.backbone.safetensors'),
        *data_words(mini_root),
        '--work-dir',
        str(tmp_path / 'judge'),
        *FEW,
    ]
    assert main(words) == 0
    first = capsys.readouterr().out
    found = records(tmp_path / 'judge/runs')
    # weights x seeds x modes
    assert len(found) == 2 * 2 * 2
    assert {record['task'] for record in found} == {
        'custom:shapes-50pct/judge_linear',
        'custom:shapes-50pct/judge_finetune',
    }
    assert {record['data']['images'] for record in found} == {20}
    # rates x weights, on the images that were not held out
    tried = records(tmp_path / 'judge/choice')
    assert len(tried) == 3 * 2
    assert not list(tmp_path.rglob('epoch_*.pth'))
    assert scan([tmp_path])[0] == []  # no rows of a leaderboard
    # a second run trains nothing and says the same
    before = {f: f.stat().st_mtime_ns for f in tmp_path.rglob('result.json')}
    assert main(words) == 0
    assert shown(capsys.readouterr().out) == shown(first)
    after = {f: f.stat().st_mtime_ns for f in tmp_path.rglob('result.json')}
    assert after == before


def test_the_same_runs_for_all_weights(
    mini_root, weights, tmp_path, registered
):
    plan = plan_of(
        mini_root,
        weights,
        tmp_path,
        fractions=[0.01, 0.5, 1.0],
        supervised=None,
    )
    assert plan.notes == (
        '1 % is left out: 1 % of 40 images are 0; one of each class takes 8.',
    )
    assert plan.fractions == (0.5, 1.0)
    jobs = Judge(plan, Speed({FROZEN: 0.001, FINE_TUNED: 0.001})).jobs()
    titles = [job.step.title for job in jobs]
    assert len(titles) == len(set(titles))
    own_runs = [t.split(', ', 1)[1] for t in titles if t.startswith('Noise')]
    others = [t.split(', ', 1)[1] for t in titles if t.startswith('random')]
    assert own_runs == others and len(own_runs) > 12
    # random weights have features for each seed, a file has them once
    features = [t for t in titles if t.startswith('features')]
    assert len(features) == 4
    # every fraction has trials of its own: a rate for few images is not one
    # for many
    trials = [t for t in titles if ', rate ' in t]
    assert len(trials) == 2 * 2 * 3  # fractions, weights, rates


@pytest.mark.parametrize(
    'more, line',
    [
        (['random'], 'random weights are always run'),
        (['no.pth'], 'no checkpoint no.pth'),
        (['{0}', '{0}'], 'is named twice'),
        (['{0}', '--arch', 'resnet50'], 'resnet50'),
        (['{0}', '--fractions', '0.01'], 'no fraction is left'),
        (['{0}', '--supervised', 'none.pth'], 'no checkpoint none.pth'),
    ],
)
def test_mistakes_are_one_line(
    more, line, mini_root, weights, tmp_path, capsys
):
    file = str(weights / '0.backbone.safetensors')
    words = [word.format(file) for word in more]
    words += [*data_words(mini_root), '--work-dir', str(tmp_path)]
    assert main(['judge', *words]) == 2
    said = capsys.readouterr().err
    assert line in said and len(said.splitlines()) == 1


def test_a_step_that_fails_is_named_and_others_go_on(
    mini_root, weights, tmp_path, monkeypatch, capsys
):
    from ssl_bench.judge import features

    whole = features.extract

    def extract(plan, one, seed):
        if one.control and seed == 1:
            raise RuntimeError('no\nmemory')
        return whole(plan, one, seed)

    monkeypatch.setattr(features, 'extract', extract)
    words = [
        'judge',
        str(weights / '0.backbone.safetensors'),
        *data_words(mini_root),
        '--work-dir',
        str(tmp_path),
        '--modes',
        'frozen',
        '--seeds',
        '0',
        '1',
        '2',
        '--fractions',
        '0.5',
        '--quick',
    ]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert err == '' or 'elapsed' in err
    assert 'failed: features of random, seed 1: RuntimeError: no memory' in out
    assert out.count('failed:') == 1
    assert len(records(tmp_path / 'runs')) == 5


def test_ctrl_c_says_how_to_go_on(
    mini_root, weights, tmp_path, monkeypatch, capsys
):
    from ssl_bench.judge import features

    def extract(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(features, 'extract', extract)
    words = [
        'judge',
        str(weights / '0.backbone.safetensors'),
        *data_words(mini_root),
        '--work-dir',
        str(tmp_path),
        '--modes',
        'frozen',
        '--quick',
    ]
    assert main(words) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == 'ssl-bench judge: interrupted. The same command continues.'


def test_a_dry_run_trains_nothing(mini_root, weights, tmp_path, capsys):
    words = [
        'judge',
        str(weights / '0.backbone.safetensors'),
        *data_words(mini_root),
        '--work-dir',
        str(tmp_path),
        '--dry-run',
    ]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert 'custom:shapes: 40 training images, 8 classes; 8 of them' in out
    assert 'steps, about' in out and err == ''
    assert not list(tmp_path.glob('runs/*'))


def test_checkpoints_are_completed():
    assert ('judge', 'checkpoints') in NAMES


def test_images_of_a_pretraining_that_are_not_there_stop_it_at_once(
    mini_root, weights, tmp_path, capsys
):
    file = str(weights / '0.backbone.safetensors')
    words = ['judge', file, *data_words(mini_root), *FEW]
    words += ['--work-dir', str(tmp_path), '--pretrain-data', '/not/there']
    assert main(words) == 2
    assert '--pretrain-data: no folder /not/there' in capsys.readouterr().err
    assert not list(tmp_path.rglob('result.json'))
