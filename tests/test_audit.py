"""The check of known vulnerabilities passes only when it was made."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GOOD = dict(name='numpy', version='2.0', vulns=[])
OWN = dict(name='ssl-bench', skip_reason='not found')
LOST = dict(name='torch', skip_reason='not found on the index')
BAD = dict(
    name='pillow',
    version='1.0',
    vulns=[dict(id='CVE-1', fix_versions=['2.0'])],
)


@pytest.fixture
def audit(monkeypatch):
    spec = importlib.util.spec_from_file_location(
        'audit', ROOT / '.ci' / 'audit.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, 'PAUSE', 0)
    return module


@pytest.mark.parametrize(
    'reports, code, said',
    [
        ([[GOOD, OWN]], 0, '2 packages, nothing known'),
        ([[GOOD, BAD]], 1, 'pillow 1.0: CVE-1, fixed in 2.0'),
        ([[], [GOOD]], 0, '1 packages, nothing known'),
        ([[], [], []], 2, 'not checked: pip-audit made no report'),
        ([[GOOD, LOST]] * 3, 2, 'not checked: not found on the index'),
        ([[LOST, BAD]], 1, 'CVE-1'),
    ],
)
def test_exit_code(audit, monkeypatch, capsys, reports, code, said):
    waiting = [dict(dependencies=found) for found in reports]
    monkeypatch.setattr(audit, 'report', lambda: waiting.pop(0))
    assert audit.main() == code and waiting == []
    assert said in capsys.readouterr().out


def test_the_workflow_runs_it():
    text = (ROOT / '.github' / 'workflows' / 'audit.yml').read_text()
    assert 'python .ci/audit.py' in text and 'schedule:' in text
    assert 'setup.py' in text and 'continue-on-error' not in text
