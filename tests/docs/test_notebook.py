"""The notebook runs from its first cell to its last."""

import json
import re

import pytest

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / 'docs').rglob('*.ipynb'))


def test_notebooks_are_stored_without_outputs():
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        code = [cell for cell in cells if cell['cell_type'] == 'code']
        assert not any(cell['outputs'] for cell in code), path
        assert not any(cell['execution_count'] for cell in code), path


@pytest.mark.slow
@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip('nbclient')
    nbformat = pytest.importorskip('nbformat')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    book = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        book, timeout=600, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    said = ''.join(
        ''.join(out.get('text') or out.get('data', {}).get('text/plain', ''))
        for cell in book.cells
        for out in cell.get('outputs', [])
    )
    # the table: three seeds of each
    assert re.search(r'MoCo v2 +[\d.]+ +[\d.]+ +3\n', said), said
    assert re.search(r'Random init +[\d.]+ +[\d.]+ +3\b', said), said
    assert 'no supervised row on mini_linear_cached' in said
    chart = tmp_path / 'work_dirs/notebook/top1.html'
    assert '"MoCo v2"' in chart.read_text(encoding='utf-8')
