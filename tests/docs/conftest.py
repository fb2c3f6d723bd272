"""A folder in which what the pages show can be run."""

import pytest
import torch
import torchvision

from ssl_bench.checkpoints import write_backbone
from ssl_bench.results import write_record
from tests.backbones import thin_backbone
from tests.docs.checking import OWN_FILES
from tests.results.factory import METHODS, suite

PUBLISHED = ['voc0712_det_c4', 'coco_mrcnn_fpn_1x', 'mini_knn']


@pytest.fixture(scope='session')
def workplace(tmp_path_factory, mini_root):
    """Embedded data, small and official weights, records of some runs."""
    folder = tmp_path_factory.mktemp('workplace')
    (folder / 'data').mkdir()
    (folder / 'data/mini').symlink_to(mini_root)
    (folder / 'DIR').symlink_to(mini_root / 'imagenet/train')
    (folder / 'pets').symlink_to(mini_root / 'imagenet')
    official = folder / 'pixpro_base_r50_400ep.pth'
    torch.save(torchvision.models.resnet50().state_dict(), official)
    for name in ('small', 'pixpro'):
        write_backbone(
            folder / f'{name}.backbone.safetensors', thin_backbone()
        )
    for name, text in OWN_FILES.items():
        (folder / name).write_text(text)
    for record in suite(METHODS, PUBLISHED):
        write_record(folder / 'work_dirs' / record['run_id'], record)
    return folder
