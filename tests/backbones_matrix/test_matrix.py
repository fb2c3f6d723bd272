"""A slim part of `benchmarks/backbone_matrix.py`, which does all pairs."""

import backbone_matrix
import pytest
from backbone_matrix import ARCHITECTURES, SLIM, TASKS, examine
from timm_names import general, rows

pytestmark = pytest.mark.slow

# each family once, and each task: a pair a row, dealt out in turn
PAIRS = [
    (name, TASKS[(number + step) % len(TASKS)])
    for number, name in enumerate(SLIM)
    for step in (0, 3)
]


@pytest.mark.parametrize('name, task', PAIRS)
def test_a_pair_does_what_its_dry_run_says(
    name, task, registered, mini_root, tmp_path
):
    cell = examine(name, task, str(mini_root), tmp_path)
    assert not cell.faults
    if cell.refused:
        assert 'The nearest task that takes it is mini_' in cell.refused
        return
    asked = 'PL-SD' if (name, task) == ('ViT /8', 'mini_coco_vitdet') else ''
    assert cell.done == (asked or 'PLESD')


def test_the_matrix_is_wide():
    families = {family for family, _ in ARCHITECTURES.values()}
    assert len(ARCHITECTURES) >= 30 and len(families) >= 10
    assert {ARCHITECTURES[name][0] for name in SLIM} >= {
        'ResNet',
        'DINOv2',
        'DINOv3',
        'I-JEPA',
        'EVA-02',
        'BEiT',
        'XCiT',
        'ConvNeXt',
        'Swin',
        'RegNet',
    }
    assert {task for _, task in PAIRS} == set(TASKS)


def test_a_fault_is_seen(registered, mini_root, tmp_path, monkeypatch):
    """A difference of features, and a dry run that takes what does not run."""
    pair = ('ConvNeXt V2', 'mini_knn', str(mini_root), tmp_path)
    monkeypatch.setattr(backbone_matrix, 'LIMIT', -1)
    assert 'features differ by' in examine(*pair).faults[0]

    def broken(*args):
        raise RuntimeError('no')

    monkeypatch.setattr(backbone_matrix, 'step', broken)
    assert examine(*pair).faults[-1] == 'RuntimeError: no'
    monkeypatch.setattr(backbone_matrix, 'load', lambda *args: None)
    assert 'a tensor did not arrive' in examine(*pair).faults


def test_the_table_of_names():
    found = {
        'resnet': {
            'a18': {'probe': '', 'FCN': 'a18 gives 3 maps. Take another.'},
            'a50': {'probe': '', 'FCN': ''},
        }
    }
    text = list(rows(found, ['probe', 'FCN'], 2))
    assert '| resnet | 2 | 2 | 1 |' in text
    assert '| all | 2 | 100.0% | 50.0% |' in text
    assert text[-1] == '* FCN, 1 names (`a18`): NAME gives N maps.'
    assert general('b at 3.5 px. More.', 'b') == 'NAME at N px'
