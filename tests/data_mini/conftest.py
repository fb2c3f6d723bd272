"""One small set of embedded data, shared by every test that only reads."""

import pytest

from ssl_bench.data.mini import MiniSizes, make_mini

SMALL = MiniSizes(
    imagenet_train=16,
    imagenet_val=8,
    imagenet_px=64,
    voc07_trainval=24,
    voc07_test=4,
    voc12_trainval=4,
    seg_train=6,
    seg_val=2,
    coco_train=40,
    coco_val=4,
    nyu_train=6,
    nyu_test=4,
    spair_trn=2,
    spair_val=2,
    spair_test=3,
    px=160,
)


@pytest.fixture(scope='session')
def mini(tmp_path_factory):
    """Finished embedded data of `SMALL` sizes, seed 3."""
    return make_mini(tmp_path_factory.mktemp('mini') / 'data', 3, SMALL)
