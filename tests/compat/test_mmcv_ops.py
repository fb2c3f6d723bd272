"""The stand-in as a module: who wins, what exists, what raises."""

import ast
import importlib
import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path

import mmcv.ops
import pytest
import torch
from mmengine.utils.dl_utils.misc import mmcv_full_available

from ssl_bench.compat.mmcv_ops import SERVED, OperatorNotServed
from ssl_bench.errors import UserError


def operators():
    """Every name that a wrapper module of mmcv.ops asserts."""
    names = set()
    for file in Path(mmcv.ops.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and 'load_ext' in ast.dump(node.func)
                and len(node.args) == 2
            ):
                names.update(ast.literal_eval(node.args[1]))
    return sorted(names)


@pytest.fixture
def fresh(monkeypatch):
    """Import ``mmcv._ext`` again, and put the old one back afterwards."""
    monkeypatch.setattr(mmcv, '_ext', sys.modules['mmcv._ext'])
    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    return lambda: importlib.import_module('mmcv._ext')


def test_every_operator_is_served_or_raises_its_name():
    from mmcv import _ext

    names = operators()
    assert len(names) > 100 and set(SERVED) < set(names)
    for name in names:
        assert hasattr(_ext, name)
        if name in SERVED:
            assert getattr(_ext, name) is SERVED[name]
            continue
        with pytest.raises(OperatorNotServed, match=f"'{name}'"):
            getattr(_ext, name)(1, key=2)


def test_a_public_function_of_an_unserved_operator_says_what_to_do():
    features = torch.zeros(1, 4, 2, 2)
    with pytest.raises(UserError, match='carafe_forward.*compile mmcv'):
        mmcv.ops.carafe(features, torch.zeros(1, 9, 4, 4), 3, 1, 2)


def test_private_names_are_missing():
    from mmcv import _ext

    assert not hasattr(_ext, '__wrapped__')
    with pytest.raises(AttributeError, match='_ext.*_private'):
        _ext._private


def test_the_module_has_a_spec_and_reports_itself():
    spec = importlib.util.find_spec('mmcv._ext')
    assert spec.origin == 'ssl_bench.compat.mmcv_ops'
    assert mmcv_full_available()
    assert 'torchvision' in mmcv.ops.get_compiler_version()
    assert mmcv.ops.get_compiling_cuda_version() == (
        torch.version.cuda or 'not available'
    )


def test_a_compiled_extension_wins(fresh, monkeypatch, tmp_path):
    (tmp_path / '_ext.py').write_text('def nms(): return "compiled"\n')
    monkeypatch.setattr(mmcv, '__path__', [str(tmp_path)])
    extension = fresh()
    assert extension.nms() == 'compiled'
    assert not hasattr(extension, 'carafe_forward')


def test_an_extension_of_another_finder_wins(fresh, monkeypatch):

    class Loader(importlib.abc.Loader):
        create_module = staticmethod(lambda spec: None)
        exec_module = staticmethod(
            lambda module: module.__dict__.update(nms='compiled')
        )

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name == 'mmcv._ext':
                return importlib.machinery.ModuleSpec(name, Loader())
            return None

    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path, Finder()])
    assert fresh().nms == 'compiled'


def test_a_broken_extension_is_named(fresh, monkeypatch, tmp_path):
    file = tmp_path / f'_ext{importlib.machinery.EXTENSION_SUFFIXES[0]}'
    file.write_bytes(b'built for another torch')
    monkeypatch.setattr(mmcv, '__path__', [str(tmp_path)])
    with pytest.raises(UserError, match=f'{file.name} does not load'):
        fresh()


@pytest.mark.slow
def test_the_package_imports_no_torch_and_the_toolkits_complain_of_nothing():
    code = (
        'import sys, ssl_bench, importlib.util\n'
        'assert "torch" not in sys.modules\n'
        'import mmdet.models, mmseg.models, mmcv.ops\n'
        'assert mmcv.ops.nms is not None\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'ompile' not in done.stdout + done.stderr
