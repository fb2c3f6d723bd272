"""transformers of today, there or not: the toolkits import and register."""

import subprocess
import sys

import pytest

REGISTERED = """
import ssl_bench
ssl_bench.register_all_modules()
import mmdet.models, mmpretrain.models, mmseg.models
from mmpretrain.registry import DATASETS, MODELS
for name in ('InsLoc', 'PixPro', 'LEWEL', 'SiameseIM', 'PaperBarlowTwins',
             'MoCo', 'MAE', 'VisionTransformer'):
    assert MODELS.get(name) is not None, name
try:
    MODELS.build(dict(type='BlipCaption'))
except ImportError as error:
    print('left out:', ' '.join(str(error).split()))
"""
ABSENT = """
import importlib.abc, importlib.metadata, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'transformers':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Blocker())
real = importlib.metadata.distribution
def distribution(name):
    if name == 'transformers':
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.distribution = distribution
"""


def run(code):
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_with_transformers_5():
    transformers = pytest.importorskip('transformers')
    assert int(transformers.__version__.split('.')[0]) >= 5
    assert 'left out:' in run(REGISTERED)


@pytest.mark.slow
def test_a_model_of_mmpretrain_is_imported_first():
    """Before, and without, `register_all_modules`."""
    code = (
        'import ssl_bench\n'
        'from mmpretrain.models import BarlowTwins, VisionTransformer\n'
        'print(VisionTransformer("deit-tiny", img_size=32).embed_dims)\n'
    )
    assert run(code) == '192\n'


@pytest.mark.slow
def test_without_transformers():
    assert 'left out:' in run(ABSENT + REGISTERED)


@pytest.mark.slow
def test_after_somebody_has_imported_a_part_of_mmpretrain():
    pytest.importorskip('transformers')
    code = 'from mmpretrain.structures import DataSample\n' + REGISTERED
    assert 'left out:' in run(code)


@pytest.mark.slow
def test_after_somebody_has_imported_transformers():
    pytest.importorskip('transformers')
    code = (
        'from transformers import AutoModel\n'
        + REGISTERED
        + 'import transformers; print(transformers.AutoModel is AutoModel)'
    )
    assert run(code).endswith('True\n')


def test_doctor_says_what_is_left_out(capsys):
    from ssl_bench.cli import main

    assert main(['doctor']) == 0
    assert 'multimodal models are left out' in capsys.readouterr().out
