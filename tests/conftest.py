"""Fixtures shared by all tests; two workers share two cores."""

import logging
import os

os.environ.setdefault('OMP_NUM_THREADS', '1')
# what cuBLAS needs to be deterministic; read at its first use
os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')

import pytest  # noqa: E402

import ssl_bench  # noqa: E402, F401  before a test imports a toolkit
from tests.devices import DEVICES, on_device  # noqa: E402


@pytest.fixture(autouse=True, scope='session')
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_scope_left_behind():
    """A run leaves its toolkit's registry as the current one; undo that."""
    from mmengine.registry import DefaultScope

    DefaultScope._instance_dict.clear()  # also that of a module's fixture
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A benchmark that a test calls turns warnings off; undo that."""
    logging.disable(logging.NOTSET)  # also what a module's fixture did
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=DEVICES)
def device(request):
    """The CPU and, marked gpu, a GPU; new tensors are made there."""
    with on_device(request.param):
        yield request.param


@pytest.fixture(scope='session')
def registered():
    """Every class of ours and of the toolkits in the registries."""
    from ssl_bench import register_all_modules

    register_all_modules()


@pytest.fixture
def photo():
    """A photograph, uint8 RGB (512, 512, 3)."""
    from skimage import data

    return data.astronaut()


@pytest.fixture
def image_folder(tmp_path, photo):
    """Twelve different small JPEG files."""
    from PIL import Image

    folder = tmp_path / 'images'
    folder.mkdir()
    for i in range(12):
        crop = photo[i * 20 : i * 20 + 90, i * 15 : i * 15 + 120]
        Image.fromarray(crop).save(folder / f'{i:02d}.jpg')
    return folder


@pytest.fixture(scope='session')
def mini_root(tmp_path_factory):
    """Embedded data of a few dozen images."""
    from ssl_bench.data.mini import MiniSizes, make_mini
    from ssl_bench.data.mini.variants import make_variants
    from ssl_bench.tasks.subsets import write_subset

    root = tmp_path_factory.mktemp('data') / 'mini'
    make_mini(
        root,
        sizes=MiniSizes(
            imagenet_train=40,
            imagenet_val=16,
            imagenet_px=64,
            voc07_trainval=24,
            voc07_test=8,
            voc12_trainval=8,
            seg_train=8,
            seg_val=4,
            coco_train=16,
            coco_val=6,
            nyu_train=8,
            nyu_test=4,
            spair_trn=2,
            spair_val=2,
            spair_test=2,
            px=96,
        ),
    )
    make_variants(root)
    write_subset(
        root / 'imagenet/train', 50, root / 'imagenet/meta/semi10.txt'
    )
    return root


@pytest.fixture(scope='session')
def source():
    """A thin backbone as a source."""
    from ssl_bench.transfer.source import Source
    from tests.backbones import thin_backbone

    backbone = thin_backbone()
    return Source(backbone, backbone.meta['arch'], backbone.meta['arch_args'])
