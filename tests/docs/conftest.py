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
    link_data(mini_root, folder / 'data/mini')
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


def link_data(source, target):
    """The data, with each training image twice, so that they fill a batch."""
    for path in source.rglob('*'):
        if not path.is_file():
            continue
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
        if 'imagenet/train' in path.as_posix():
            place.with_stem(f'{path.stem}_again').symlink_to(path)
