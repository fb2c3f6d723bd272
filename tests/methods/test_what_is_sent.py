"""Bytes that a step of a method with shuffled batches sends."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.registry import DefaultScope

from ssl_bench.layers.collectives import SHARED
from tests.layers.test_collectives import CountedBytes
from tests.methods import test_baseline_data, test_mini_runs
from tests.methods.test_mini_runs import forty_images
from tests.processes import run_in_processes

WORLDS = (2, 4, 8, 16, 32, 64)
IMAGE = 3 * 224 * 224 * 4
KEY = 128 * 4
# at the papers' sizes, bytes of an image: those that go to the process that
# encodes it, those that come back, and those that every process gets; and
# what every process got before
SENT = {
    'MoCo v1, v2': (IMAGE, 0, KEY, IMAGE + 2 * KEY),
    'DenseCL': (
        IMAGE,
        (2048 + 128) * 49 * 4,
        2 * KEY,
        IMAGE + (2048 + 128) * 49 * 4 + 4 * KEY,
    ),
    'InsLoc (FPN)': (IMAGE + 16, 0, 4 * KEY, IMAGE + 16 + 4 * KEY),
    'LEWEL_M': (IMAGE, 0, 33 * KEY, IMAGE + 33 * KEY),
}


def expected(method, world, batch=32):
    """Megabytes per process and step, now and before."""
    there, back, all_, before = SENT[method]
    others = batch * (world - 1)
    return (
        others * ((there + back) / world + all_) / 1e6,
        others * before / 1e6,
    )


@pytest.mark.parametrize('method', SENT)
def test_the_table_of_the_docs_is_the_formula(method):
    page = Path(__file__).parents[2] / 'docs' / 'performance.md'
    text = page.read_text().partition('## Several processes')[2]
    row = re.search(rf'^\| {re.escape(method)} \|(.*)\|$', text, re.M)[1]
    cells = [
        [float(n.replace(',', '')) for n in re.findall(r'[\d.,]+', cell)]
        for cell in row.split('|')
    ]
    for world, cell in zip(WORLDS, cells, strict=True):
        assert cell == pytest.approx(expected(method, world), abs=0.051)


def config_of(name, folder):
    if name in test_mini_runs.CASES:
        return test_mini_runs.small(name, folder)
    return test_baseline_data.small(name, folder, 1)


def counted(rank, name, folder, world):
    """Bytes of a training step up to the loss, and rows that leave."""
    from mmpretrain.registry import DATASETS, MODELS

    from ssl_bench import register_all_modules

    register_all_modules()
    config = config_of(name, folder)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        model = MODELS.build(
            {'data_preprocessor': config.data_preprocessor} | config.model
        )
    items = [dataset[4 * rank + i] for i in range(4)]
    data = model.data_preprocessor(default_collate(items), True)
    SHARED.manual_seed(0)
    rows = torch.randperm(
        4 * world, generator=torch.Generator().manual_seed(0)
    )
    leave = int((rows.view(world, 4)[rank] // 4 != rank).sum())
    with CountedBytes() as bytes_sent:
        model(**data, mode='loss')
    image = data['inputs'][1][0].nbytes
    return bytes_sent.sent, leave, image


# back and for all, of the small models
SMALL = {
    'mocov2_r50_200e': (0, KEY),
    'densecl_r50_200e': ((32 + 128) * 4 * 4, 2 * KEY),
    'lewel_m_r18': None,
    'insloc_r18_fpn': None,
}


@pytest.mark.slow
@pytest.mark.parametrize('name', SMALL)
def test_a_step_sends_what_the_formula_says(registered, tmp_path, name):
    world = 2
    folder = forty_images(tmp_path)
    for sent, leave, image in run_in_processes(
        counted, world, name, folder, world
    ):
        back, all_ = SMALL[name] or small_keys(name, folder)
        boxes = 16 if name.startswith('insloc') else 0
        assert sent == leave * (image + boxes + back) + 4 * (world - 1) * all_


def small_keys(name, folder):
    """Bytes of an image's keys in a small model."""
    model = config_of(name, folder).model
    if name.startswith('insloc'):
        levels = len(model.roi_head.get('strides', (4, 8, 16, 32)))
        return 0, levels * model.roi_head.bbox_head.out_channels * 4
    neck = model.neck
    maps = neck.out_channels // neck.num_heads
    return 0, (1 + maps) * neck.out_channels * 4
