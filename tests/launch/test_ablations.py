"""Suites of ablations: each override changes what is trained, and it builds."""

import pytest
import torch
import yaml

from ssl_bench.cli import main
from ssl_bench.config import config_dir, load_config
from ssl_bench.launch.suite import read_suite, suite_names, suites_dir

NAMES = [name for name in suite_names() if name.startswith('ablations/')]
PAPERS = ('barlow_twins', 'insloc', 'lewel', 'pixpro', 'siamese_im')


def variants(name):
    return [method for method in read_suite(name).methods if method.overrides]


def at(config, key):
    """The values at a dotted key, of which ``*`` is every entry."""
    nodes = [config]
    for part in key.split('.'):
        found = []
        for node in nodes:
            if part == '*':
                found += node
            elif isinstance(node, list):
                found += [n for n in node if n.get('type') == part]
            else:
                found.append(node.get(part))
        nodes = found
    return nodes


def test_every_paper_has_a_full_and_a_short_form():
    assert (
        sorted(
            f'ablations/{form}{paper}'
            for form in ('', 'mini_')
            for paper in PAPERS
        )
        == NAMES
    )
    for paper in PAPERS:
        full, short = (
            {method.variant for method in variants(f'ablations/{form}{paper}')}
            for form in ('', 'mini_')
        )
        if paper == 'barlow_twins':  # of other sizes
            assert {text.split()[0] for text in full} == {
                text.split()[0] for text in short
            }
        else:
            assert full <= short


@pytest.mark.parametrize('name', NAMES)
def test_every_override_changes_a_setting_that_is_there(registered, name):
    suite = read_suite(name)
    for method in variants(name):
        plain = load_config(method.config)
        changed = load_config(method.config, method.overrides)
        differ = False
        for key, value in method.overrides.items():
            before, after = at(plain, key), at(changed, key)
            assert before and len(before) == len(after), (method, key)
            value = list(value) if isinstance(value, (list, tuple)) else value
            for old, new in zip(before, after):
                new = list(new) if isinstance(new, (list, tuple)) else new
                assert new == value, (method, key)
                differ |= old != new
        assert differ, method
    controls = [method for method in suite.methods if not method.overrides]
    assert controls, "the paper's own setting is a row too"
    names = [method.variant for method in variants(name)]
    assert len(set(names)) == len(names)


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_every_model_can_be_built(registered, name):
    from mmpretrain.registry import MODELS

    sizes = set()
    for method in variants(name):
        if any(key.startswith('model.') for key in method.overrides):
            config = load_config(method.config, method.overrides)
            net = MODELS.build(config.model)
            sizes.add(sum(value.numel() for value in net.parameters()))
    # heads, projectors and the transform change the number of weights
    assert len(sizes) > 1 or 'siamese_im' not in name


def test_what_the_overrides_do_to_the_model(registered):
    from mmpretrain.registry import MODELS

    def build(name, variant):
        method = next(
            method
            for method in variants(f'ablations/{name}')
            if method.variant == variant
        )
        config = load_config(method.config, method.overrides)
        return MODELS.build(config.model)

    exact = build('mini_insloc', 'FPN exact boxes')
    assert exact.augmented_levels == frozenset()
    every = build('mini_insloc', 'FPN boxes augmented on P2 to P5')
    assert every.augmented_levels == {0, 1, 2, 3}
    none = build('mini_pixpro', 'no propagation')
    assert isinstance(none.propagation, torch.nn.Identity)
    two = build('mini_pixpro', 'transform of 2 layers').propagation.transform
    one = build('mini_pixpro', 'exponent 4').propagation.transform
    convs = [
        sum(isinstance(m, torch.nn.Conv2d) for m in net.modules())
        for net in (one, two)
    ]
    assert convs == [1, 2]
    assert build('mini_pixpro', 'with instance branch').predictor is not None
    assert build('mini_lewel', 'B EMAN heads 8').neck.num_heads == 8
    assert build('mini_lewel', 'B EMAN weight 0').weight == 0
    plain = build('mini_siamese_im', 'target without projector')
    assert len(plain.neck.blocks) == 0
    assert build('mini_siamese_im', 'negative weight 0').neg_weight == 0
    wide = build('mini_barlow_twins', 'projector 256')
    assert list(wide.neck.parameters())[-1].shape[0] == 256


@pytest.mark.slow
def test_a_short_form_runs(tmp_path, monkeypatch, mini_root):
    """Pretraining with an override, transfer, and a row of its own."""
    content = yaml.safe_load(
        (suites_dir() / 'ablations/mini_lewel.yaml').read_text()
    )
    chosen = next(
        method
        for method in content['methods']
        if isinstance(method, dict)
        and method.get('variant') == 'B EMAN heads 1'
    )
    chosen['config'] = str(config_dir() / chosen['config'])
    chosen['overrides'] |= {
        'train_cfg.max_epochs': 1,
        'train_dataloader.batch_size': 8,  # of 40 images
    }
    content |= dict(
        methods=[chosen],
        tasks=['mini_knn'],
        seeds=[0],
        overrides={'test_dataloader.dataset.indices': 24},
        data_root=str(mini_root),
    )
    path = tmp_path / 'short.yaml'
    path.write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    assert main(['run', str(path), '--jobs', '1']) == 0
    table = (tmp_path / 'work_dirs/short/leaderboard.csv').read_text()
    assert 'LEWEL,"B EMAN heads 1; ' in table
    assert 'model.neck.num_heads=1' in table
