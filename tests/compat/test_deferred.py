"""Large packages are imported when something of them is used, not before."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_bench.compat import deferred

BIG = """
import sys
sys.imported_big = True
from . import parts
VALUE = 3
class Base:
    kind = 'base'
    def __init__(self, a, b=2):
        self.sum = a + b
def double(x):
    return 2 * x
"""
IMPORTER = """
import big
import big.parts as p
from big import Base as B, double, parts
try:
    import not_installed
except ImportError:
    not_installed = None
import json
from os import path

def inside():
    from big import Base
    return Base
"""


def run(code, folder='.'):
    """Run code in a process of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def importer(tmp_path, monkeypatch):
    """A module that names a package `big`, with stand-ins."""
    (tmp_path / 'big').mkdir()
    (tmp_path / 'big/__init__.py').write_text(BIG)
    (tmp_path / 'big/parts.py').write_text('NAME = "parts"\n')
    (tmp_path / 'importer.py').write_text(IMPORTER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(deferred.WAITING, 'importer', ('big', 'not_installed'))
    yield lambda: load('importer', tmp_path / 'importer.py')
    for name in ('big', 'big.parts', 'importer'):
        sys.modules.pop(name, None)
    vars(sys).pop('imported_big', None)


def load(name, path):
    spec = importlib.util.spec_from_file_location(
        name, path, loader=deferred.Loader(name, str(path))
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def was_imported():
    return hasattr(sys, 'imported_big')


USES = {
    'call': lambda m: m.double(4) == 8,
    'build': lambda m: m.B(1, b=5).sum == 6,
    'attribute': lambda m: m.B.kind == 'base',
    'module': lambda m: m.big.VALUE == 3,
    'submodule': lambda m: m.p.NAME == 'parts',
    'submodule by from': lambda m: m.parts.NAME == 'parts',
    'submodule by its package': lambda m: m.big.parts.NAME == 'parts',
    'isinstance': lambda m: not isinstance(3, m.B),
    'issubclass': lambda m: not issubclass(int, m.B),
    'in a function': lambda m: m.inside().kind == 'base',
}


@pytest.mark.parametrize('use', USES)
def test_the_first_use_imports(importer, use):
    module = importer()
    assert not was_imported()
    assert USES[use](module)
    assert was_imported()


def test_a_stand_in_is_the_class_where_it_counts(importer):
    module = importer()
    import inspect

    import big

    made = module.B(1)
    assert type(made) is big.Base and isinstance(made, module.B)
    assert [*inspect.signature(module.B).parameters] == ['a', 'b']

    class Sub(module.B, dict):
        pass

    assert Sub.__mro__[1:3] == (big.Base, dict) and type(Sub) is type


def test_only_the_listed_module_sees_stand_ins(importer):
    module = importer()
    assert isinstance(module.double, deferred.Name)
    from big import double

    assert module.double.real() is double
    assert not isinstance(double, deferred.Name)
    # imports of the module's functions are plain again
    assert not isinstance(module.inside(), deferred.Name)


def test_other_imports_of_the_module_are_as_always(importer):
    module = importer()
    import json
    import os

    assert module.json is json and module.path is os.path
    assert module.not_installed is None


def test_a_name_that_is_missing_is_said_when_it_is_used(importer):
    importer()
    name = deferred.deferred('big', 'missing')
    assert not was_imported()
    with pytest.raises(ImportError, match="'missing' from 'big'"):
        name()


def test_what_is_imported_already_is_used_directly(importer):
    import big

    module = importer()
    assert module.big is big and module.B is big.Base


def test_a_package_that_is_too_new_is_not_loaded(importer, monkeypatch):
    monkeypatch.setitem(deferred.TOO_NEW, 'importer', ('big', 5))
    monkeypatch.setattr(deferred.metadata, 'version', lambda name: '4.9')
    assert importer().big.VALUE == 3
    monkeypatch.setattr(deferred.metadata, 'version', lambda name: '5.0')
    with pytest.raises(ImportError, match='big 5 lacks names of big'):
        importer()


@pytest.mark.parametrize('name', [*deferred.WAITING, *deferred.TOO_NEW])
def test_the_lists_name_imports_that_exist(registered, name):
    """A package in vain would hide that a toolkit has changed."""
    if importlib.util.find_spec(name.split('.')[0]) is None:
        pytest.skip('not installed')
    path = importlib.util.find_spec(name).origin
    package = name if path.endswith('__init__.py') else name.rpartition('.')[0]
    found = set()
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name(
                '.' * node.level + (node.module or ''), package
            )
            found |= {f'{module}.{alias.name}' for alias in node.names}
    wanted = deferred.WAITING.get(name) or deferred.TOO_NEW[name][:1]
    for package in wanted:
        assert any(f'{word}.'.startswith(f'{package}.') for word in found)


HEAVY = (
    'ftfy imagecorruptions imgaug matplotlib numba pandas scipy shapely '
    'skimage sklearn timm transformers'
).split()


@pytest.mark.slow
def test_registering_imports_no_large_package():
    loaded = run(
        'import sys, ssl_bench; ssl_bench.register_all_modules();'
        'print(*sys.modules)'
    )
    assert 'mmdet' in loaded
    assert {*HEAVY, 'torch._dynamo'} & set(loaded) == set()


@pytest.mark.slow
def test_users_get_the_real_packages():
    code = (
        'import ssl_bench; ssl_bench.register_all_modules()\n'
        'import sklearn.mixture, scipy.optimize\n'
        'from sklearn.gaussian_process import GaussianProcessRegressor as G\n'
        'print(G.__module__, type(scipy.optimize).__name__,\n'
        '      sklearn.mixture.GaussianMixture.__module__)\n'
    )
    assert run(code) == [
        'sklearn.gaussian_process._gpr',
        'module',
        'sklearn.mixture._gaussian_mixture',
    ]


# the classes that use what was deferred still work


def test_hungarian_matching(registered):
    from mmdet.registry import TASK_UTILS
    from mmengine.structures import InstanceData

    assigner = TASK_UTILS.build(
        dict(
            type='HungarianAssigner',
            match_costs=[dict(type='ClassificationCost', weight=1.0)],
        )
    )
    scores = torch.tensor([[0.0, 9.0], [9.0, 0.0], [0.0, 0.0]])
    result = assigner.assign(
        InstanceData(scores=scores, bboxes=torch.zeros(3, 4)),
        InstanceData(labels=torch.tensor([0, 1]), bboxes=torch.zeros(2, 4)),
        dict(img_shape=(8, 8)),
    )
    assert result.gt_inds.tolist() == [2, 1, 0]


def test_interpolation_of_tracks(registered):
    pytest.importorskip('sklearn')
    from mmdet.registry import TASK_UTILS

    tracks = np.array([[f, 1, f, f, f + 4, f + 4, 1.0] for f in (0, 2, 4, 6)])
    smooth = TASK_UTILS.build(
        dict(type='InterpolateTracklets', min_num_frames=1, use_gsi=True)
    ).forward(tracks.astype(np.float32))
    assert smooth[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(smooth[:, 2], smooth[:, 0], atol=0.5)


def test_an_optimizer_of_transformers_is_built(registered):
    transformers = pytest.importorskip('transformers')
    from mmengine.optim import build_optim_wrapper

    wrapper = build_optim_wrapper(
        torch.nn.Linear(2, 2),
        dict(
            type='OptimWrapper',
            optimizer=dict(type='Adafactor', lr=0.5, relative_step=False),
        ),
    )
    assert type(wrapper.optimizer) is transformers.Adafactor
    assert wrapper.optimizer.param_groups[0]['lr'] == 0.5


def test_text_becomes_tokens(registered):
    pytest.importorskip('ftfy')
    from mmseg.utils import tokenize

    assert tokenize('a cat')[0, :4].tolist() == [49406, 320, 2368, 49407]


def test_roi_align_is_scripted_and_eager(registered):
    from torchvision.ops import RoIAlign

    image = torch.arange(16.0).view(1, 1, 4, 4)
    boxes = torch.tensor([[0, 0.0, 0.0, 4.0, 4.0]])
    layer = RoIAlign(1, 1.0, 1, aligned=True)
    assert float(layer(image, boxes)) == 7.5
    assert float(torch.jit.script(layer)(image, boxes)) == 7.5
