"""Counterparts of ImageNet-A, -R, -Sketch, -C, Places205, iNaturalist."""

import json

import numpy as np
import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.data.mini import CLASSES, MiniSizes, make_mini
from ssl_bench.data.mini.corrupt import CORRUPTIONS
from ssl_bench.data.mini.variants import make_variants
from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import MINI_CORRUPTIONS

pytestmark = pytest.mark.slow

SMALL = MiniSizes(
    imagenet_train=16,
    imagenet_val=16,
    imagenet_px=96,
    voc07_trainval=8,
    voc07_test=8,
    voc12_trainval=8,
    seg_train=8,
    seg_val=4,
    coco_train=8,
    coco_val=4,
    nyu_train=2,
    nyu_test=2,
    spair_trn=2,
    spair_val=2,
    spair_test=2,
    px=96,
)


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Two places with the same images and variants of one seed."""
    found = []
    for name in 'ab':
        root = tmp_path_factory.mktemp(name) / 'mini'
        make_mini(root, sizes=SMALL)
        assert make_variants(root, seed=3)
        found.append(root)
    return found


def files(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_layouts(roots):
    root = roots[0]
    for name, classes in (
        ('a', CLASSES[:4]),
        ('r', CLASSES[4:]),
        ('sketch', CLASSES),
    ):
        homes = sorted((root / f'imagenet-{name}').iterdir())
        assert [home.name for home in homes] == sorted(classes)
        assert all(len(list(home.iterdir())) == 2 for home in homes)
    cells = sorted(
        str(path.relative_to(root / 'imagenet-c'))
        for path in (root / 'imagenet-c').glob('*/*')
    )
    assert cells == sorted(
        f'{name}/{severity}'
        for name in MINI_CORRUPTIONS
        for severity in range(1, 6)
    )
    for path in root.glob('imagenet-c/*/*/*/*.jpg'):
        assert Image.open(path).size == (80, 80)
    lines = (
        (root / 'places205/trainvalsplit_places205/val_places205.csv')
        .read_text()
        .splitlines()
    )
    assert len(lines) == 16
    for line in lines:
        name, label = line.split()
        assert (root / 'imagenet/val' / name).is_file()
        assert name.startswith(CLASSES[int(label)])
    content = json.loads((root / 'inat18/train2018.json').read_text())
    assert all(
        (root / 'inat18' / row['file_name']).is_file()
        for row in content['images']
    )
    assert not list(root.glob('.variants*'))


def test_the_seed_decides(roots):
    assert files(roots[0]) == files(roots[1])
    assert not make_variants(roots[0], seed=3)  # nothing to do
    with pytest.raises(UserError, match='variants made with .*asked'):
        make_variants(roots[0], seed=4)


def test_no_embedded_data(tmp_path, capsys):
    assert main(['data', 'variants', str(tmp_path)]) == 2
    assert f'ssl-bench data mini --root {tmp_path}' in capsys.readouterr().err


def test_severity_takes_more_away(roots):
    """The higher, the further from the clean picture."""
    path = sorted((roots[0] / 'imagenet/val').rglob('*.jpg'))[5]
    image = Image.open(path).convert('RGB')
    clean = np.asarray(image, np.float32)
    assert set(CORRUPTIONS) == set(MINI_CORRUPTIONS)
    for name, corrupt in CORRUPTIONS.items():
        gaps = []
        for severity in range(1, 6):
            found = corrupt(np.random.default_rng(0), image, severity)
            assert found.size == image.size and found.mode == 'RGB'
            gaps.append(np.abs(np.asarray(found, np.float32) - clean).mean())
        assert gaps == sorted(gaps) and gaps[4] > 1.2 * gaps[0] > 0, name


def test_real_sets_are_not_replaced(tmp_path):
    (tmp_path / 'imagenet/val').mkdir(parents=True)
    (tmp_path / 'lvis').mkdir()
    with pytest.raises(UserError, match='does not have the embedded data'):
        make_variants(tmp_path)
    assert (tmp_path / 'lvis').is_dir()
