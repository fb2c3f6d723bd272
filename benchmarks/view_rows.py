"""What benchmarks/pipeline.py measures: images, configs and plain ways."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# row: config of this project, the plain way
ROWS: dict[str, tuple[str, str]] = {
    'mocov2': ('mocov2_r50_200e', 'mocov2'),
    'mocov2_mmpretrain': ('mocov2_r50_200e', 'mocov2_mmpretrain'),
    'pixpro': ('pixpro_r50_100e', 'pixpro'),
    'barlow_twins': ('barlow_twins_r50_300e', 'barlow_twins'),
    'siamese_im': ('siamese_im_vitb16_400e', 'siamese_im'),
    'insloc': ('insloc_r50_fpn', 'insloc'),
}
SIZE = (500, 375)


def photographs() -> list[Image.Image]:
    """Colour photographs inside the wheels of two dependencies."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    arrays = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    return [
        Image.fromarray(np.asarray(array))
        for array in [*arrays, *load_sample_images().images]
    ]


def write_photographs(folder: Path, count: int, size=SIZE) -> Path:
    """JPEG files of random crops of the photographs; returns the folder."""
    folder.mkdir(parents=True)
    rng, photos = np.random.default_rng(0), photographs()
    for index in range(count):
        photo = photos[index % len(photos)]
        scale = min(photo.width / size[0], photo.height / size[1])
        scale *= rng.uniform(0.7, 1)
        width, height = (int(scale * side) for side in size)
        left = rng.integers(photo.width - width + 1)
        top = rng.integers(photo.height - height + 1)
        box = (left, top, left + width, top + height)
        crop = photo.resize(size, Image.Resampling.BICUBIC, box)
        crop.save(folder / f'{index:06d}.jpg', quality=90)
    return folder


def config_of(name: str, folder: Path, photometric: str) -> tuple[Any, Any]:
    """A config of this project that reads a folder.

    Returns:
        tuple: The config, and what paints its batches on the device, if the
        workers do not.
    """
    from ssl_bench import register_all_modules
    from ssl_bench.config import load_config
    from ssl_bench.data.painting import set_painting

    register_all_modules()
    config = load_config(name)
    config.train_dataloader.dataset.data_root = str(folder)
    config.photometric = photometric
    return config, set_painting(config, 'cpu')


def our_dataset(config: Any) -> Any:
    """The training data of a config."""
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import DATASETS

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(config.train_dataloader.dataset)
