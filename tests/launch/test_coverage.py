"""The printed cells of the five papers: run by a suite, or with a reason."""

import pytest

from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.launch import coverage as module
from ssl_bench.launch.coverage import (
    ALL,
    Planned,
    Reason,
    coverage,
    planned,
    read_reasons,
)
from ssl_bench.launch.suite import Method, Run, Suite
from ssl_bench.results.papers import PAPERS
from ssl_bench.results.published import published
from ssl_bench.tasks.table import tasks


@pytest.mark.slow
@pytest.mark.parametrize('paper', PAPERS)
def test_no_cell_is_without_a_run_or_a_reason(registered, paper):
    found = coverage(paper)
    assert found.uncovered == []
    assert len(found.run) > len(found.reasoned)
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


def test_a_planned_row_measures_its_cell():
    cell = next(
        row
        for row in published()
        if (row.paper, row.method, row.pretrain_epochs, row.task, row.metric)
        == ('InsLoc', 'InsLoc', 400, 'coco_mrcnn_fpn_1x', 'bbox_AP')
    )
    row = Planned('InsLoc', 'FPN', 'IN1K', 400, Run(cell.task, 'insloc'))
    assert row.measures(cell)
    for other in (
        dict(epochs=200),
        dict(variant='FPN exact boxes'),
        dict(data='COCO'),
        dict(method='MoCo v2'),
        dict(run=Run('coco_mrcnn_fpn_2x')),
    ):
        assert not row._replace(**other).measures(cell)
    random = next(row for row in published() if row.method == 'Random init')
    assert Planned('Random init', '', 'none', None, Run(random.task)).measures(
        random
    )


@pytest.mark.slow
def test_what_a_suite_will_measure(registered):
    suite = Suite(
        methods=(
            Method(checkpoint='random'),
            Method(checkpoint='supervised=a.pth'),
            Method(checkpoint='b.pth', name='PixPro', variant='v'),
            Method(
                config='insloc_r50_fpn.py',
                overrides={'train_cfg.max_epochs': 3},
            ),
        ),
        tasks=('mini_knn',),
    )
    assert [row[:4] for row in planned(suite)] == [
        ('Random init', '', 'none', None),
        ('Supervised', '', 'IN1K labels', None),
        ('PixPro', 'v', '', None),
        ('InsLoc', 'FPN', 'IN1K', 3),
    ]


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
