"""Installed packages against the distribution's ranges."""

from importlib import metadata

import pytest

from ssl_bench.health.checks import FAIL, OK, WARN
from ssl_bench.health.packages import imports_check, package_checks

LINES = [
    'torch<3,>=2.6',
    'torchvision<1,>=0.21',
    'absent>=1',
    'peft>=0.21; extra == "lora"',
    'lmdb>=1.4; extra == "lmdb"',
    'pandas; extra == "pandas"',
    'pytest>=8; extra == "test"',
]
VERSIONS = {
    'torch': '2.7.0',
    'torchvision': '0.20.0',
    'lmdb': '1.0',
    'pandas': '2.0',
}


@pytest.fixture
def installed(monkeypatch):
    """Checks by name of an installation with these packages."""

    def checks(versions, python='>=3.10', needs=None):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        def requires(name):
            if name == 'ssl-bench':
                return LINES
            return (needs or {}).get(name)

        monkeypatch.setattr(metadata, 'version', version)
        monkeypatch.setattr(metadata, 'requires', requires)
        monkeypatch.setattr(
            metadata, 'metadata', lambda name: {'Requires-Python': python}
        )
        return {check.name: check for check in package_checks()}

    return checks


def test_each_package_is_judged_by_its_range(installed):
    found = installed(VERSIONS)
    assert {name: check.state for name, check in found.items()} == {
        'python': OK,
        'torch': OK,
        'torchvision': FAIL,
        'absent': FAIL,
        'peft': OK,  # optional
        'lmdb': WARN,
        'pandas': OK,
    }
    assert found['torch'].found == '2.7.0' and not found['torch'].cure
    assert found['torchvision'].cure == "pip install 'torchvision<1,>=0.21'"
    assert '0.20.0 is not in' in found['torchvision'].found
    assert found['absent'].cure == "pip install 'absent>=1'"
    assert '--train lora:RANK' in found['peft'].found
    assert found['peft'].cure == "pip install 'peft>=0.21'"
    assert found['lmdb'].cure == "pip install 'lmdb>=1.4'"


def test_a_python_that_is_too_old(installed):
    assert installed(VERSIONS, '>=3.99')['python'].state == FAIL


def test_packages_that_ask_for_other_versions_of_each_other(installed):
    """As a torchvision that was built for another torch."""
    versions = VERSIONS | {'torchvision': '0.22'}
    found = installed(versions, needs={'torchvision': ['torch==2.9']})
    assert found['torchvision'].state == WARN
    assert 'asks for torch==2.9, and 2.7.0' in found['torchvision'].found
    assert "'torch==2.9'" in found['torchvision'].cure


def test_a_folder_that_is_not_installed(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'metadata', absent)
    first, *others = package_checks()
    assert first.state == WARN and 'pip install --editable' in first.cure
    assert {check.name for check in others} >= {'torch', 'onedl-mmcv'}
    assert all(check.state == OK for check in others)


def test_a_torch_that_does_not_load(monkeypatch):
    assert imports_check().state == OK

    def broken(*args):
        raise RuntimeError('operator torchvision::nms does not exist\nmore')

    monkeypatch.setattr('torchvision.ops.nms', broken)
    check = imports_check()
    assert check.state == FAIL
    assert check.found == (
        'RuntimeError: operator torchvision::nms does not exist'
    )
    assert 'pip install' in check.cure


def test_every_extra_of_the_distribution_says_what_it_is_for():
    import ast

    from ssl_bench.config import config_dir
    from ssl_bench.health.packages import DEVELOPERS, EXTRAS

    tree = ast.parse((config_dir().parent / 'setup.py').read_text())
    (extras,) = (
        word.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == 'extras_require'
    )
    assert {*ast.literal_eval(extras)} == {*EXTRAS, *DEVELOPERS}
