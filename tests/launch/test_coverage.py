"""The printed cells of the five papers: run by a suite, or with a reason."""

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.launch import coverage as module
from ssl_bench.launch.coverage import ALL, Reason, coverage, read_reasons
from ssl_bench.launch.suite import Method, Suite
from ssl_bench.results.papers import PAPERS
from ssl_bench.results.published import published
from ssl_bench.tasks.table import tasks


@pytest.mark.slow
@pytest.mark.parametrize('paper', PAPERS)
def test_no_cell_is_without_a_run_or_a_reason(registered, paper):
    found = coverage(paper)
    assert found.uncovered == []
    assert found.run
    mine = [
        cell for cell in published() if cell.paper == PAPERS[paper].reported_in
    ]
    assert len(found.run) + len(found.reasoned) == len(mine)


def test_every_reason_is_of_a_cell():
    """A row that nothing needs any more is removed."""
    for reason in read_reasons():
        held = [cell for cell in published() if reason.holds(cell)]
        assert held, reason
        assert reason.why
        if reason.tasks != (ALL,):
            assert {cell.task for cell in held} == set(reason.tasks)


@pytest.mark.slow
def test_a_suite_measures_what_its_rows_will_be_compared_with(registered):
    """Another recipe, length or variant is another number."""
    cells = [cell for cell in published() if cell.paper == 'InsLoc']

    def measured(**settings):
        method = dict(config='insloc_r50_fpn.py') | settings
        suite = Suite(
            methods=(Method(**method),),
            tasks=('coco_mrcnn_fpn_1x',),
            recipes={'coco_mrcnn_fpn_1x': ['default', 'two_fc']},
        )
        return {
            (cell.method, cell.pretrain_epochs, cell.metric)
            for cell in module._measured(suite, cells)
        }

    own = dict(recipes={'coco_mrcnn_fpn_1x': 'insloc'})
    both = {('InsLoc', 200, 'bbox_AP'), ('InsLoc', 200, 'segm_AP')}
    assert measured(**own) == both
    assert measured() == set()
    assert measured(**own, variant='FPN exact boxes') == set()
    longer = measured(**own, overrides={'train_cfg.max_epochs': 400})
    assert {epochs for _, epochs, _ in longer} == {400} and len(longer) == 6
    assert measured(config='mocov2_r50_200e.py') == {
        ('MoCo v2', 200, 'bbox_AP'),
        ('MoCo v2', 200, 'segm_AP'),
    }
    assert measured(config='', checkpoint='b.pth') == set()  # not known yet


@pytest.mark.slow
def test_controls_are_measured(registered):
    cells = [cell for cell in published() if cell.paper == 'PixPro']
    suite = Suite(
        methods=(
            Method(checkpoint='random'),
            Method(checkpoint='supervised=a.pth'),
        ),
        tasks=('voc0712_det_c4',),
    )
    assert {
        (cell.method, cell.value)
        for cell in module._measured(suite, cells)
        if cell.metric == 'bbox_AP'
    } == {('Random init', 33.8), ('Supervised', 53.5)}


def test_reasons_are_read_from_the_table(tmp_path):
    path = tmp_path / 'protocols.md'
    path.write_text(
        f'# A\n| no | no | no | no |\n{module.REASONS}\n\n'
        '| paper | method | tasks | why |\n|---|---|---|---|\n'
        '| P | M/v@3 | `a`, b | because |\n# B\n| x | x | x | x |\n'
    )
    assert read_reasons(path) == [Reason('P', 'M/v@3', ('a', 'b'), 'because')]
    path.write_text('# A\n')
    with pytest.raises(UserError, match='has no section'):
        read_reasons(path)
    with pytest.raises(UserError, match='is not there'):
        read_reasons(tmp_path / 'none.md')


def test_the_command_names_cells_and_reasons(registered, capsys, monkeypatch):
    assert main(['run', 'lewel', '--coverage']) == 0
    out = capsys.readouterr().out
    assert 'lewel: 15 printed cells: 13 are run, 2 are not' in out
    assert 'not run: LEWEL (unspecified), voc0712_det_c4 bbox_AP' in out
    monkeypatch.setattr(module, 'read_reasons', list)
    assert main(['run', 'lewel', '--coverage']) == 1
    assert 'without a reason: LEWEL (unspecified)' in capsys.readouterr().out
    assert main(['run', 'mini', '--coverage']) == 2
    assert "paper 'mini'" in capsys.readouterr().err


def test_protocols_have_a_section_for_each_new_task():
    text = (module.config_dir().parent / 'docs/protocols.md').read_text()
    for name in tasks():
        assert f'\n## {name}\n' in text or name.startswith('mini_'), name
